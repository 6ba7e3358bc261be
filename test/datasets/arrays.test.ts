/** Batches: their order, their pixels, their tensors. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import fc from 'fast-check';
import type { Batch, Dataset } from '../../datasets/dataset.js';
import { type ArraysOptions, datasets } from '../../datasets/index.js';
import { OptionsError } from '../../src/errors.js';

/** Image i is one pixel of value i; its label is i mod 3. */
function counting(train: number, test = 3): Dataset {
  const split = (count: number) => ({
    images: Uint8Array.from({ length: count }, (_, i) => i),
    labels: Array.from({ length: count }, (_, i) => i % 3),
  });
  return datasets.fromArrays({
    train: split(train),
    test: split(test),
    inputShape: [1, 1, 1],
    classes: ['zero', 'one', 'two'],
  });
}

async function read(batches: AsyncIterable<Batch>) {
  const sizes: number[] = [];
  const pixels: number[] = [];
  const labels: number[] = [];
  for await (const batch of batches) {
    sizes.push(batch.images.shape[0]);
    pixels.push(...[...batch.images.dataSync()].map(value => Math.round(value * 255)));
    labels.push(...batch.labels.dataSync());
    tf.dispose([batch.images, batch.labels]);
  }
  return { sizes, pixels, labels };
}

test.serial(
  'an epoch holds every image once, with its label, in batches of the asked size and a smaller last one',
  async t => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 70 }),
        fc.nat(),
        async (n, batchSize, seed) => {
          const { sizes, pixels, labels } = await read(counting(n).train({ batchSize, seed, epoch: 0 }));
          const full = Array<number>(Math.floor(n / batchSize)).fill(batchSize);
          t.deepEqual(sizes, n % batchSize ? [...full, n % batchSize] : full);
          t.deepEqual(
            labels,
            pixels.map(pixel => pixel % 3),
          );
          t.deepEqual(
            [...pixels].sort((a, b) => a - b),
            Array.from({ length: n }, (_, i) => i),
          );
        },
      ),
      { numRuns: 50 },
    );
  },
);

test.serial('seed and epoch fix the order, whatever the batch size', async t => {
  const data = counting(200);
  const order = async (batchSize: number, epoch: number) =>
    (await read(data.train({ batchSize, seed: 5, epoch }))).pixels;
  const first = await order(32, 0);
  t.deepEqual(await order(7, 0), first);
  t.notDeepEqual(await order(32, 1), first);
});

test.serial('test images come in file order, the same on every reading', async t => {
  const batches = counting(1, 5).test({ batchSize: 2 });
  t.deepEqual(await read(batches), { sizes: [2, 2, 1], pixels: [0, 1, 2, 3, 4], labels: [0, 1, 2, 0, 1] });
  t.deepEqual((await read(batches)).pixels, [0, 1, 2, 3, 4]);
});

test.serial('a batch is float32 [n, h, w, c] and int32 [n]', async t => {
  const data = datasets.fromArrays({
    train: { images: new Uint8Array(3 * 12), labels: Uint8Array.of(0, 1, 1) },
    test: { images: new Uint8Array(12), labels: Int32Array.of(0) },
    inputShape: [2, 3, 2],
    classes: ['a', 'b'],
  });
  for await (const { images, labels } of data.train({ batchSize: 8, seed: 0, epoch: 0 })) {
    t.deepEqual([images.shape, images.dtype], [[3, 2, 3, 2], 'float32']);
    t.deepEqual([labels.shape, labels.dtype], [[3], 'int32']);
    tf.dispose([images, labels]);
  }
});

test.serial('leaving the loop, or finishing it, leaves no tensor that was not handed out', async t => {
  const data = counting(100);
  const before = tf.memory().numTensors;
  for await (const { images, labels } of data.train({ batchSize: 10, seed: 1, epoch: 0 })) {
    tf.dispose([images, labels]);
    break;
  }
  t.is(tf.memory().numTensors, before);
  await read(data.train({ batchSize: 10, seed: 1, epoch: 0 }));
  t.is(tf.memory().numTensors, before);
});

for (const [what, images, expected] of [
  [
    'bytes become (pixel / 255 - mean) / std, per channel',
    Uint8Array.of(0, 0, 255, 102),
    [1, (102 / 255 - 0.25) / 0.5],
  ],
  ['floats are not scaled, only normalised', Float32Array.of(9, 9, 1.5, 2.25), [2, 4]],
] as const)
  test.serial(what, async t => {
    const data = datasets.fromArrays({
      train: { images: images.slice(0, 2), labels: [0] },
      test: { images, labels: [0, 0] },
      inputShape: [1, 1, 2],
      classes: ['a'],
      mean: [0.5, 0.25],
      std: [0.5, 0.5],
    });
    const batches: number[][] = [];
    for await (const batch of data.test({ batchSize: 1 })) {
      batches.push([...batch.images.dataSync()]);
      tf.dispose([batch.images, batch.labels]);
    }
    closeTo(t, Float32Array.from(batches[1]!), [...expected]);
  });

test.serial('a padded image lies in the middle of black', async t => {
  const pad = [{ name: 'pad', pixels: 1 }] as const;
  const data = datasets.fromArrays({
    train: { images: new Uint8Array(4), labels: [0] },
    test: { images: Uint8Array.of(51, 102, 153, 204), labels: [0] },
    inputShape: [2, 2, 1],
    classes: ['a'],
    transforms: { train: [...pad], test: [...pad] },
  });
  for await (const { images, labels } of data.test({ batchSize: 1 })) {
    closeTo(t, images.dataSync() as Float32Array, [
      ...[0, 0, 0, 0],
      ...[0, 0.2, 0.4, 0],
      ...[0, 0.6, 0.8, 0],
      ...[0, 0, 0, 0],
    ]);
    tf.dispose([images, labels]);
  }
});

const options: Record<string, [Record<string, unknown>, RegExp]> = {
  'batchSize 0': [
    { batchSize: 0, seed: 1, epoch: 0 },
    /^datasets\.fromArrays\(\)\.train: batchSize: .*got 0$/,
  ],
  'batchSize 2.5': [{ batchSize: 2.5, seed: 1, epoch: 0 }, /batchSize: .*got 2\.5/],
  'seed 1.5': [{ batchSize: 1, seed: 1.5, epoch: 0 }, /seed: .*got 1\.5/],
  'seed NaN': [{ batchSize: 1, seed: Number.NaN, epoch: 0 }, /seed: .*got NaN/],
  'epoch -1': [{ batchSize: 1, seed: 1, epoch: -1 }, /epoch: .*got -1/],
  'no seed': [{ batchSize: 1, epoch: 0 }, /seed: .*got undefined/],
  'a misspelt option': [
    { batchsize: 1, batchSize: 1, seed: 1, epoch: 0 },
    /no option batchsize, expected one of batchSize, seed, epoch, position, shard, pixels/,
  ],
};
for (const [what, [given, message]] of Object.entries(options)) {
  test(`train refuses ${what} at the call`, t => {
    t.throws(() => counting(3).train(given as never), { instanceOf: OptionsError, message });
  });
}

const good: ArraysOptions = {
  train: { images: new Uint8Array(8), labels: [0, 1] },
  test: { images: new Uint8Array(4), labels: [1] },
  inputShape: [2, 2, 1],
  classes: ['a', 'b'],
};
const arrays: Record<string, [Partial<ArraysOptions>, RegExp]> = {
  'fewer pixels than labels need': [
    { test: { images: new Uint8Array(7), labels: [0, 1] } },
    /test has 2 labels, so its images of 2 x 2 x 1 must have 8 values, got 7/,
  ],
  'a label that is no class': [
    { train: { images: new Uint8Array(8), labels: [0, 2] } },
    /train labels must be indices into the 2 classes, got 2 at 1/,
  ],
  'a mean for a channel that is not there': [{ mean: [0, 0] }, /one number a channel, 1, got 2 and 1/],
  'a std of 0': [{ std: [0] }, /std\.0: .*got 0/],
};
for (const [what, [change, message]] of Object.entries(arrays)) {
  test(`fromArrays refuses ${what}`, t => {
    t.throws(() => datasets.fromArrays({ ...good, ...change }), { instanceOf: OptionsError, message });
  });
}

test('create refuses a name it does not know, and names those it does', t => {
  const names = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'imagenet', 'folder', 'webdataset'];
  t.deepEqual(datasets.list(), names);
  for (const name of ['mnist-fashion', 'toString'])
    t.throws(() => datasets.create(name), {
      instanceOf: OptionsError,
      message: /expected one of mnist, fashion-mnist, cifar10, cifar100, imagenet, folder, webdataset/,
    });
});

function closeTo(
  t: { true(actual: boolean, message?: string): unknown },
  actual: Float32Array,
  expected: number[],
) {
  const close =
    actual.length === expected.length && actual.every((v, i) => Math.abs(v - expected[i]!) < 1e-6);
  t.true(close, `${[...actual]} is not ${expected}`);
}
