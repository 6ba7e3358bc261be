/** Our views of an image beside torchvision's own transforms; needs a Python with torchvision. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { resample } from '../../../datasets/images/resample.js';
import { centerCrop, randomResizedCrop, type Viewing, viewOf } from '../../../datasets/images/views.js';
import { lookUp, normalisingTable } from '../../../src/ops/pixels.js';
import { RandomStream } from '../../../src/random.js';
import { temporaryDirectory } from '../../support/folders.js';
import { hasTorchvision, python } from '../../support/torchvision.js';

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

const SIZES = [
  [375, 500],
  [500, 375],
  [333, 500],
  [257, 301],
  [224, 224],
  [100, 80],
  [901, 640],
] as const;
const VIEWS: [string, Viewing, number][] = [
  ['Resize(256), CenterCrop(224)', centerCrop(224, 256), 1],
  ['Resize(73), CenterCrop(64)', centerCrop(64, 73), 1],
  ['RandomResizedCrop(224), RandomHorizontalFlip', randomResizedCrop(224), 3],
  ['RandomResizedCrop(64), RandomHorizontalFlip', randomResizedCrop(64), 3],
];

const cases = SIZES.flatMap(([height, width]) =>
  VIEWS.flatMap(([name, viewing, seeds]) =>
    Array.from({ length: seeds }, (_, seed) => ({ name, viewing, seed, height, width })),
  ),
);

/** @returns the view, and `[size, size, 3]` normalised */
function ours({ viewing, seed, height, width }: (typeof cases)[number]) {
  const raw = Uint8Array.from({ length: height * width * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
  const { size } = viewing;
  const view = viewOf(viewing, width, height, () => new RandomStream(seed, 'augment', 0, 1));
  const bytes = new Uint8Array(size * size * 3);
  resample(raw, [height, width, 3], view, bytes);
  return { view, values: lookUp(bytes, normalisingTable(MEAN, STD)) };
}

(hasTorchvision() ? test : test.skip)(
  'needs torchvision: the standard transforms, and a crop with the same box and flip, are its own to the last bit of a pixel',
  t => {
    const folder = temporaryDirectory();
    const made = cases.map(one => ours(one));
    const asked = cases.map(({ viewing, height, width }, i) => {
      const { crop, mirror } = made[i]!.view;
      const view =
        viewing.name === 'center-crop'
          ? { name: viewing.name, resize: viewing.resize, size: viewing.size }
          : { name: viewing.name, size: viewing.size, box: crop, flip: mirror === 'horizontal' };
      return { image: [height, width], view };
    });
    execFileSync(python, ['scripts/torchvision-views.py', folder], { input: JSON.stringify(asked) });
    for (const [i, one] of cases.entries()) {
      const { buffer, byteOffset, byteLength } = readFileSync(join(folder, `${i}.bin`));
      const theirs = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
      const plane = one.viewing.size ** 2;
      const { values } = made[i]!;
      let largest = 0;
      for (let at = 0; at < values.length; at++)
        largest = Math.max(largest, Math.abs(values[at]! - theirs[(at % 3) * plane + Math.floor(at / 3)]!));
      // A level of 255 is 0.017; the normalisation rounds in float32 there, and once in a table here.
      t.true(largest < 1e-6, `${one.name} of ${one.height} x ${one.width}, seed ${one.seed}: ${largest}`);
    }
  },
);
