/** Resizing and turning are Pillow's, bit for bit. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { resample } from '../../../datasets/images/resample.js';
import { centerCrop, randomResizedCrop, roundHalfToEven, viewOf } from '../../../datasets/images/views.js';
import type { Filter } from '../../../datasets/images/weights.js';
import { rotated } from '../../../datasets/transforms.js';
import { RandomStream } from '../../../src/random.js';

type Four = [number, number, number, number];
interface Fixtures {
  resample: {
    shape: [number, number, number];
    crop: Four;
    size: [number, number];
    window: Four;
    filter: Filter;
    sha256: string;
  }[];
  rotate: { shape: [number, number, number]; angle: number; sha256: string }[];
}
const fixtures = JSON.parse(readFileSync('test/fixtures/images.json', 'utf8')) as Fixtures;

function pixels([height, width, channels]: readonly [number, number, number]): Uint8Array {
  return Uint8Array.from({ length: height * width * channels }, (_, i) => Math.imul(i, 2654435761) >>> 24);
}

const box = ([x, y, width, height]: Four) => ({ x, y, width, height });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

for (const { shape, crop, size, window, filter, sha256: expected } of fixtures.resample) {
  test(`${filter} of ${crop} in ${shape} to ${size}, ${window} of it`, t => {
    const out = new Uint8Array(window[2] * window[3] * shape[2]);
    const [width, height] = size;
    const view = { crop: box(crop), size: { width, height }, window: box(window), filter };
    resample(pixels(shape), shape, { ...view, mirror: 'none' }, out);
    t.is(sha256(out), expected);
    const mirrored = new Uint8Array(out.length);
    resample(pixels(shape), shape, { ...view, mirror: 'horizontal' }, mirrored);
    const [, , w, h] = window;
    const at = (x: number, y: number) => (y * w + x) * shape[2];
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        if (out[at(x, y)] !== mirrored[at(w - 1 - x, y)]) return t.fail(`not mirrored at ${x}, ${y}`);
  });
}

for (const { shape, angle, sha256: expected } of fixtures.rotate)
  test(`${shape} turned by ${angle} degrees`, t =>
    t.is(sha256(rotated(pixels(shape), shape, angle)), expected));

test('the standard views lie inside images of any form, and are torchvision’s at known sizes', t => {
  // Resize(256) and CenterCrop(224) of 500 x 375: 341 x 256, cut at (58.5 -> 58, 16).
  const { size, window } = viewOf(centerCrop(224, 256), 500, 375, () => new RandomStream(0));
  t.deepEqual(
    [size, window],
    [
      { width: 341, height: 256 },
      { x: 58, y: 16, width: 224, height: 224 },
    ],
  );
  t.is(roundHalfToEven(59.5), 60);
  for (const [width, height] of [
    [1, 1],
    [1, 900],
    [900, 1],
    [500, 375],
    [3, 2],
  ] as const)
    for (let seed = 0; seed < 200; seed++) {
      const { crop } = viewOf(randomResizedCrop(224), width, height, () => new RandomStream(seed));
      const inside = crop.x >= 0 && crop.y >= 0 && crop.width > 0 && crop.height > 0;
      t.true(inside && crop.x + crop.width <= width && crop.y + crop.height <= height, JSON.stringify(crop));
    }
});

test('random crops cover 8 to 100 % of the area, as often large as small, and half are mirrored', t => {
  const views = Array.from({ length: 4000 }, (_, seed) =>
    viewOf(randomResizedCrop(224), 500, 500, () => new RandomStream(seed, 'augment', 0, 7)),
  );
  const shares = views.map(({ crop }) => (crop.width * crop.height) / 250_000);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  t.true(Math.min(...shares) >= 0.078 && Math.max(...shares) <= 1);
  t.true(Math.abs(mean - 0.52) < 0.04, `mean share ${mean}`); // uniform on [.08, 1] has .54; the largest do not always fit
  const mirrored = views.filter(view => view.mirror === 'horizontal').length / views.length;
  t.true(Math.abs(mirrored - 0.5) < 0.03, `${mirrored} mirrored`);
});
