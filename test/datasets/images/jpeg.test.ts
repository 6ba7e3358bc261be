/** Either decoder gives the pixels of Pillow, and of them what torchvision's transforms make, bit for bit. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import test from 'ava';
import sharp, { type Sharp } from 'sharp';
import { imageAddon } from '../../../datasets/images/addon.js';
import { type DecodeOptions, decodeInto } from '../../../datasets/images/decode.js';
import { readJpegHeader } from '../../../datasets/images/jpegHeader.js';
import { planOf, type View } from '../../../datasets/images/plan.js';
import { resamplePlanned } from '../../../datasets/images/resample.js';
import { centerCrop, viewOf } from '../../../datasets/images/views.js';
import type { Filter } from '../../../datasets/images/weights.js';
import { RandomStream } from '../../../src/random.js';
import { hasTorchvision, python } from '../../support/torchvision.js';
import { type JpegFixture, jpegFixtures } from './mutants.js';

const addon = imageAddon();
const addonTest = addon ? test : test.skip;
const jpegTest = addon?.jpeg ? test : test.skip;
const decoders = (['sharp', 'native'] as const).filter(decoder => decoder === 'sharp' || addon?.jpeg);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

type Seen = JpegFixture['views'][number] extends infer V ? Omit<V, 'sha256'> : never;

/** A view as the fixtures and scripts/make-jpeg-fixtures.py write it. */
function viewFrom(seen: object): (width: number, height: number) => View {
  const view = seen as {
    crop?: [number, number, number, number];
    size: number;
    mirror?: boolean;
    resize?: number;
  };
  return (width, height) => {
    if (!view.crop)
      return viewOf(centerCrop(view.size, view.resize), width, height, () => new RandomStream(0));
    const [x, y, w, h] = view.crop;
    const size = { width: view.size, height: view.size };
    return {
      crop: { x, y, width: w, height: h },
      size,
      window: { x: 0, y: 0, ...size },
      mirror: view.mirror ? 'horizontal' : 'none',
      filter: 'bilinear',
    };
  };
}

/** sha256 of what is seen. */
async function decoded(
  bytes: Uint8Array,
  view: (width: number, height: number) => View,
  decoder: DecodeOptions['decoder'],
): Promise<string> {
  let out = new Uint8Array(0);
  // The result's size is the window's, which is known when the image's size is.
  const { width, height } = readJpegHeader(bytes) ?? (await sharp(bytes).metadata());
  const { window } = view(width, height);
  out = new Uint8Array(3 * window.width * window.height);
  await decodeInto(bytes, { orientation: 'ignore', decoder }, view, out);
  return sha256(out);
}

/** The whole image as it is. */
const whole = (width: number, height: number): View => ({
  crop: { x: 0, y: 0, width, height },
  size: { width, height },
  window: { x: 0, y: 0, width, height },
  mirror: 'none',
  filter: 'bilinear',
});

for (const { name, kind, width, height, image, sha256: expected, views } of jpegFixtures) {
  const bytes = Buffer.from(image, 'base64');
  for (const decoder of decoders)
    test(`${name} by ${decoder}: Pillow's pixels, torchvision's views`, async t => {
      t.is(await decoded(bytes, whole, decoder), expected);
      for (const view of views)
        t.is(await decoded(bytes, viewFrom(view), decoder), view.sha256, JSON.stringify(view));
    });
  jpegTest(`${name} is ${kind === 'plain' ? '' : 'not '}decoded by libjpeg-turbo`, t => {
    const out = new Uint8Array(3 * width * height);
    t.is(
      addon!.decode(bytes, width, height, planOf(whole(width, height), width, height), out),
      kind === 'plain',
    );
  });
}

test('an EXIF orientation is applied where that is asked for, wherever in the file it is', async t => {
  const { image, width, height } = jpegFixtures.find(({ name }) => name.startsWith('turned by EXIF'))!;
  const before = Buffer.from(image, 'base64');
  const start = before.indexOf(Buffer.from([0xff, 0xe1]));
  const end = start + 2 + before.readUInt16BE(start + 2);
  const without = Buffer.concat([before.subarray(0, start), before.subarray(end)]);
  const scan = without.indexOf(Buffer.from([0xff, 0xda]));
  const behind = Buffer.concat([
    without.subarray(0, scan),
    before.subarray(start, end),
    without.subarray(scan),
  ]);
  for (const bytes of [before, behind])
    for (const decoder of decoders) {
      const sizes: string[] = [];
      const out = new Uint8Array(3 * width * height);
      const view = (w: number, h: number) => {
        sizes.push(`${w} x ${h}`);
        return whole(w, h);
      };
      await decodeInto(bytes, { orientation: 'apply', decoder }, view, out);
      t.deepEqual(sizes, [`${height} x ${width}`]);
      t.is(sha256(out), sha256(await sharp(bytes).autoOrient().raw().toBuffer()));
    }
});

/** Noise, larger than the fixtures. */
function noise(random: RandomStream, width: number, height: number): Sharp {
  const raw = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, i) => 128 + 90 * Math.sin(i / 31) + random.below(30)),
  );
  return sharp(raw, { raw: { width, height, channels: 3 } });
}

/** A JPEG of any size and kind. */
async function anyJpeg(random: RandomStream): Promise<{ jpeg: Buffer; width: number; height: number }> {
  const [width, height] = [1 + random.below(200), 1 + random.below(150)];
  const jpeg = await noise(random, width, height)
    .greyscale(random.below(4) === 0)
    .jpeg({
      quality: 50 + random.below(51),
      progressive: random.below(3) === 0,
      chromaSubsampling: random.below(3) === 0 ? '4:4:4' : '4:2:0',
    })
    .toBuffer();
  return { jpeg, width, height };
}

jpegTest('any part that is decoded on its own is that part of the whole', async t => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new RandomStream(seed, 'part');
    const { jpeg, width, height } = await anyJpeg(random);
    const pixels = await sharp(jpeg).toColourspace('srgb').raw().toBuffer();
    for (let i = 0; i < 10; i++) {
      const [x, y] = [random.below(width), random.below(height)];
      const box = { x, y, width: 1 + random.below(width - x), height: 1 + random.below(height - y) };
      const plan = planOf({ ...whole(box.width, box.height), crop: box }, width, height);
      const [own, expected] = [0, 1].map(() => new Uint8Array(3 * box.width * box.height)) as [
        Uint8Array,
        Uint8Array,
      ];
      t.true(addon!.decode(jpeg, width, height, plan, own));
      resamplePlanned(pixels, [height, width, 3], plan, expected);
      if (!Buffer.from(own).equals(expected)) return t.fail(`seed ${seed}: ${JSON.stringify(box)}`);
    }
  }
});

const refusal = /premature end|warning treated as error/i;

/** A segment in a JPEG before the marker: of a kind, with what it says. */
function withSegment(jpeg: Buffer, before: number, kind: number, content: Buffer): Buffer {
  const at = jpeg.indexOf(Buffer.from([0xff, before]));
  const head = Buffer.from([0xff, kind, 0, content.length + 2]);
  return Buffer.concat([jpeg.subarray(0, at), head, content, jpeg.subarray(at)]);
}

/** An end marker in a comment: the image's own is not yet the last. */
const END = Buffer.from([0xff, 0xd9]);

for (const decoder of decoders)
  for (const chromaSubsampling of ['4:2:0', '4:4:4'])
    test(`${decoder}, ${chromaSubsampling}: a file that is cut off is refused wherever it is, damage in what is seen too`, async t => {
      const plain = await noise(new RandomStream(1), 90, 150).jpeg({ chromaSubsampling }).toBuffer();
      const jpeg = withSegment(withSegment(plain, 0xc0, 0xfe, END), 0xda, 0xfe, END);
      let [refused, accepted] = [0, 0];
      for (const height of [8, 13, 16]) {
        const view = (): View => ({ ...whole(80, height), crop: { x: 3, y: 35, width: 80, height } });
        const sound = await decoded(jpeg, view, decoder);
        for (let at = jpeg.length - 6; at > 0.15 * jpeg.length; at -= 67) {
          const cut = decoded(jpeg.subarray(0, at), view, decoder);
          await t.throwsAsync(cut, { message: refusal }, `cut off at ${at}`);
          const damaged = Buffer.from(jpeg);
          damaged.writeUInt16BE(0xffd0, at); // a marker that does not belong there: what follows is grey
          try {
            t.is(
              await decoded(damaged, view, decoder),
              sound,
              `seen to row ${35 + height}, damaged at ${at}`,
            );
            accepted++;
          } catch (error) {
            t.regex((error as Error).message, refusal);
            refused++;
          }
        }
      }
      t.true(refused > 50);
      t.is(accepted > 50, decoder === 'sharp', 'libjpeg-turbo reads the rest, sharp does not');
    });

addonTest('with AVX2, in plain C++ and in TypeScript, resampling gives the same bits', t => {
  for (let seed = 0; seed < 400; seed++) {
    const random = new RandomStream(seed, 'resample');
    const any = (most: number) => 1 + random.below(random.below(3) ? most : 9);
    const [width, height] = [any(150), any(120)];
    const pixels = Uint8Array.from({ length: 3 * width * height }, () => random.below(256));
    const [x, y] = [random.below(width), random.below(height)];
    const crop = { x, y, width: 1 + random.below(width - x), height: 1 + random.below(height - y) };
    const size = {
      width: random.below(5) ? any(90) : crop.width,
      height: random.below(5) ? any(90) : crop.height,
    };
    const [left, top] = [random.below(size.width), random.below(size.height)];
    const window = {
      x: left,
      y: top,
      width: 1 + random.below(size.width - left),
      height: 1 + random.below(size.height - top),
    };
    const filter = (['box', 'bilinear', 'bicubic', 'lanczos'] satisfies Filter[])[random.below(4)]!;
    const plan = planOf(
      { crop, size, window, filter, mirror: seed % 2 ? 'horizontal' : 'none' },
      width,
      height,
    );
    const results = [0, 1, 2].map(() => new Uint8Array(3 * window.width * window.height));
    addon!.resample(pixels, width, height, plan, results[0]!);
    addon!.resample(pixels, width, height, plan, results[1]!, 'scalar');
    resamplePlanned(pixels, [height, width, 3], plan, results[2]!);
    for (const own of results.slice(0, 2))
      if (!Buffer.from(own).equals(results[2]!))
        return t.fail(`seed ${seed}: ${filter} ${JSON.stringify(plan)}`);
  }
  t.pass();
});

addonTest('a plan that leads outside is refused before anything is read', t => {
  const plan = planOf(whole(8, 8), 8, 8);
  const scaled = planOf(
    { ...whole(8, 8), size: { width: 4, height: 4 }, window: { x: 0, y: 0, width: 4, height: 4 } },
    8,
    8,
  );
  const pixels = new Uint8Array(3 * 64);
  const attempt = (change: object, out = new Uint8Array(3 * 64), base: object = plan) =>
    t.throws(() => addon!.resample(pixels, 8, 8, { ...plan, ...base, ...change }, out))!.message;
  t.regex(attempt({ x: 1 }), /part lies outside/);
  t.regex(attempt({ height: 0 }), /part lies outside/);
  t.regex(attempt({}, new Uint8Array(3)), /result has another size/);
  t.regex(attempt({ outWidth: 4, outHeight: 16 }), /no weights across/);
  const out = new Uint8Array(3 * 16);
  const first = scaled.across!.first.map(index => index + 5);
  t.regex(attempt({ across: { ...scaled.across!, first } }, out, scaled), /weights lie outside/);
  t.regex(attempt({ down: { ...scaled.down!, taps: 99 } }, out, scaled), /weights lie outside/);
  t.throws(() => addon!.resample(pixels, 9, 8, plan, out), { message: /pixels have another size/ });
});

test('a JPEG of more pixels than are allowed is refused without memory for them', async t => {
  const bytes = Buffer.from(jpegFixtures[0]!.image, 'base64');
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(65_000, frame + 5);
  bytes.writeUInt16BE(65_000, frame + 7);
  const before = process.memoryUsage().rss;
  await t.throwsAsync(decoded(bytes, viewFrom({ crop: [0, 0, 9, 9], size: 8 }), 'auto'), {
    message: /pixel limit/,
  });
  t.true(process.memoryUsage().rss - before < 2 ** 27);
});

const pythonTest = hasTorchvision() ? test : test.skip;

pythonTest('torchvision on Pillow, asked now, sees the same of random images', async t => {
  const child = spawn(python, ['scripts/make-jpeg-fixtures.py', '--answer'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  for (let seed = 0; seed < 40; seed++) {
    const random = new RandomStream(seed, 'asked');
    const { jpeg, width, height } = await anyJpeg(random);
    const [x, y] = [random.below(width), random.below(height)];
    const crop = [x, y, 1 + random.below(width - x), 1 + random.below(height - y)];
    const views: Seen[] = [
      { crop, size: 1 + random.below(64), mirror: seed % 2 === 1 } as Seen,
      { resize: 40, size: 32 } as Seen,
    ];
    child.stdin.write(`${JSON.stringify({ image: jpeg.toString('base64'), views })}\n`);
    const expected = JSON.parse((await answers.next()).value as string) as string[];
    for (const decoder of decoders)
      for (const [i, view] of views.entries())
        t.is(
          await decoded(jpeg, viewFrom(view), decoder),
          expected[i]!,
          `seed ${seed} ${decoder} ${JSON.stringify(view)}`,
        );
  }
});
