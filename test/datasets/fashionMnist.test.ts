/** Where Fashion-MNIST is found, what its bytes must be, and what the embedded subset is. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import type { Batch, Dataset } from '../../datasets/dataset.js';
import { CorruptFileError, DatasetNotFoundError, datasets } from '../../datasets/index.js';
import { OptionsError } from '../../src/errors.js';
import { temporaryDirectory, writeSet } from '../support/folders.js';
import { idx, smallSet } from './idxFiles.js';

const found = findFullSet(); // before the tests point the environment elsewhere
const embedded = datasets.fashionMnist({ source: 'embedded', size: 28 });

async function read(batches: AsyncIterable<Batch>) {
  const images: Float32Array[] = [];
  const labels: number[] = [];
  for await (const batch of batches) {
    images.push(batch.images.dataSync() as Float32Array);
    labels.push(...batch.labels.dataSync());
    tf.dispose([batch.images, batch.labels]);
  }
  return { images, labels };
}

test('the embedded subset has 600 training and 100 test images of each class', async t => {
  t.deepEqual(embedded.length, { train: 6000, test: 1000 });
  const perClass = (labels: number[]) =>
    embedded.classes.map((_, c) => labels.filter(label => label === c).length);
  const train = await read(embedded.train({ batchSize: 1000, seed: 0, epoch: 0 }));
  t.deepEqual(perClass(train.labels), Array(10).fill(600));
  t.deepEqual(perClass((await read(embedded.test({ batchSize: 1000 }))).labels), Array(10).fill(100));
});

const withFullSet = found ? test : test.skip;

withFullSet(
  'needs the full set: the embedded test images are every tenth of each class of the full set',
  async t => {
    const full = await read(found!.test({ batchSize: 10_000 }));
    const subset = await read(embedded.test({ batchSize: 1000 }));
    const seen = Array<number>(10).fill(0);
    const rows = [...full.labels.keys()].filter(row => seen[full.labels[row]!]!++ % 10 === 0);
    t.deepEqual(
      subset.labels,
      rows.map(row => full.labels[row]!),
    );
    const image = (row: number) => full.images[0]!.subarray(784 * row, 784 * (row + 1));
    t.true(rows.every((row, i) => equal(image(row), subset.images[0]!.subarray(784 * i, 784 * (i + 1)))));
  },
);

withFullSet('needs the full set: its training pixels, normalised, have mean 0 and deviation 1', async t => {
  t.deepEqual(found!.length, { train: 60_000, test: 10_000 });
  let sum = 0;
  let squares = 0;
  const { images } = await read(found!.train({ batchSize: 10_000, seed: 0, epoch: 0 }));
  for (const batch of images)
    for (const value of batch) {
      sum += value;
      squares += value * value;
    }
  const count = 60_000 * 784;
  t.true(Math.abs(sum / count) < 1e-5);
  t.true(Math.abs(squares / count - 1) < 1e-5);
});

for (const [form, pack] of Object.entries({ plain: (b: Buffer) => b, gzipped: gzipSync })) {
  test(`four ${form} files of one’s own are a data set`, async t => {
    const suffix = form === 'gzipped' ? '.gz' : '';
    const files = Object.entries(smallSet()).map(([name, bytes]) => [`${name}${suffix}`, pack(bytes)]);
    const directory = writeSet(Object.fromEntries(files));
    const data = datasets.fashionMnist({ directory, normalisation: 'paper' });
    t.deepEqual(data.length, { train: 2, test: 1 });
    t.deepEqual(data.inputShape, [32, 32, 1]);
    t.deepEqual(data.options, { source: 'directory', directory, size: 32, normalisation: 'paper' });

    const { images, labels } = await read(data.test({ batchSize: 5 }));
    t.deepEqual(labels, [7]);
    // One image of 51: 28 x 28 pixels of .2 inside a border of 0, with the paper's mean .1307 and std .3081.
    const inside = images[0]!.filter(value => Math.abs(value - (0.2 - 0.1307) / 0.3081) < 1e-6).length;
    const border = images[0]!.filter(value => Math.abs(value - (0 - 0.1307) / 0.3081) < 1e-6).length;
    t.deepEqual([inside, border], [784, 240]);
    t.true(Math.abs(images[0]![2 * 32 + 2]! - 0.224927) < 1e-5 && images[0]![2 * 32 + 1]! < 0);
  });
}

const broken: Record<string, [Record<string, Buffer>, RegExp]> = {
  'images of another size': [
    { 'train-images-idx3-ubyte': idx([2, 32, 32]) },
    /train-images-idx3-ubyte has images of 32 x 32, expected 28 x 28/,
  ],
  'more labels than images': [
    { 'train-labels-idx1-ubyte': idx([3]) },
    /train-labels-idx1-ubyte has 3 labels, but .*train-images-idx3-ubyte has 2 images/,
  ],
  'a label that is no class': [
    { 'train-labels-idx1-ubyte': idx([2], Uint8Array.of(0, 10)) },
    /train-labels-idx1-ubyte has label 10 at index 1, expected 0 to 9/,
  ],
  'a truncated file': [
    { 'train-images-idx3-ubyte': smallSet()['train-images-idx3-ubyte']!.subarray(0, 1000) },
    /train-images-idx3-ubyte is too short.*but it has 1000/,
  ],
};
for (const [what, [change, message]] of Object.entries(broken)) {
  test(`a directory with ${what} is a CorruptFileError that names the file`, async t => {
    const directory = writeSet({ ...smallSet(), ...change });
    const data = datasets.fashionMnist({ directory });
    await t.throwsAsync(read(data.train({ batchSize: 1, seed: 0, epoch: 0 })), {
      instanceOf: CorruptFileError,
      message,
    });
    t.deepEqual((await read(data.test({ batchSize: 1 }))).labels, [7], 'the other split is sound');

    writeSet(smallSet(), directory);
    const mended = await read(data.train({ batchSize: 1, seed: 0, epoch: 0 }));
    t.deepEqual(mended.labels.sort(), [3, 9], 'and a mended file is read');
  });
}

test('swapped image and label files are found when the data set is made', t => {
  const set = smallSet();
  const directory = writeSet({ ...set, 'train-images-idx3-ubyte': set['train-labels-idx1-ubyte']! });
  t.throws(() => datasets.fashionMnist({ directory }), {
    instanceOf: CorruptFileError,
    message: /train-images-idx3-ubyte starts with 0x00000801, expected 0x00000803/,
  });
});

test('a directory without the files is a DatasetNotFoundError that names what is missing', t => {
  const directory = writeSet(smallSet());
  rmSync(join(directory, 't10k-labels-idx1-ubyte'));
  t.throws(() => datasets.fashionMnist({ directory }), {
    instanceOf: DatasetNotFoundError,
    message: /has no t10k-labels-idx1-ubyte \(with or without \.gz\); give the directory/,
  });
});

test.serial('a wrong file in the cache is refused by its sha256, though its structure is right', async t => {
  const cache = temporaryDirectory();
  writeSet(smallSet(), join(cache, 'datasets', 'fashion-mnist'));
  const data = withEnvironment({ PADEZOO_CACHE: cache }, () => datasets.fashionMnist({ source: 'cache' }));
  t.deepEqual(data.options, { source: 'full', size: 32, normalisation: 'dataset' });
  await t.throwsAsync(read(data.test({ batchSize: 1 })), {
    instanceOf: CorruptFileError,
    message: /has other contents than expected: sha256 .*padezoo data fetch fashion-mnist/,
  });
});

test.serial('auto prefers PADEZOO_DATA to the cache, and takes only a whole set', t => {
  const [shared, cache] = [temporaryDirectory(), temporaryDirectory()];
  const inCache = join(cache, 'datasets', 'fashion-mnist');
  const inShared = join(shared, 'fashion-mnist');
  const source = () =>
    withEnvironment({ PADEZOO_DATA: shared, PADEZOO_CACHE: cache }, () => datasets.fashionMnist().source);

  writeSet(smallSet(), inCache);
  writeSet({ 'train-images-idx3-ubyte': idx([1]) }, inShared);
  t.is(source(), `cache ${inCache}`);
  writeSet(smallSet(), inShared);
  t.is(source(), `PADEZOO_DATA ${inShared}`);
});

test.serial('an absent cache is an error that says how to fill it', t => {
  withEnvironment({ PADEZOO_CACHE: temporaryDirectory() }, () => {
    t.throws(() => datasets.fashionMnist({ source: 'cache' }), {
      instanceOf: DatasetNotFoundError,
      message: /source: 'download'/,
    });
    t.is(
      datasets.fashionMnist({ source: 'download' }).length.train,
      60_000,
      'nothing is fetched before it is used',
    );
  });
});

test('the recorded name and options make the data set again', async t => {
  const again = await datasets.create(embedded.name, JSON.parse(JSON.stringify(embedded.options)));
  t.deepEqual(again.options, embedded.options);
  const first = async (data: Dataset) => {
    for await (const { images, labels } of data.train({ batchSize: 4, seed: 3, epoch: 2 })) {
      const values = [...images.dataSync(), ...labels.dataSync()];
      tf.dispose([images, labels]);
      return values;
    }
  };
  t.deepEqual(await first(again), await first(embedded));
});

const wrongOptions: [Record<string, unknown>, RegExp][] = [
  [{ size: 30 }, /^datasets\.fashionMnist: size: .*28\|32.*got 30/],
  [{ normalisation: 'imagenet' }, /normalisation: .*"dataset"\|"paper".*got "imagenet"/],
  [{ dir: '/data' }, /no option dir, expected one of source, directory, size, normalisation/],
  [{ source: 'directory' }, /source 'directory' needs the option directory/],
  [{ source: 'embedded', directory: '/data' }, /directory goes with source 'directory' or 'auto' alone/],
];
for (const [options, message] of wrongOptions) {
  test(`${JSON.stringify(options)} is an OptionsError`, async t => {
    await t.throwsAsync(datasets.create('fashion-mnist', options), { instanceOf: OptionsError, message });
  });
}

function findFullSet(): Dataset | undefined {
  try {
    return datasets.fashionMnist({ source: 'full', size: 28 });
  } catch (error) {
    if (error instanceof DatasetNotFoundError) return undefined;
    throw error;
  }
}

function withEnvironment<T>(variables: Record<string, string>, body: () => T): T {
  const before = { ...process.env };
  delete process.env.PADEZOO_DATA;
  Object.assign(process.env, variables);
  try {
    return body();
  } finally {
    process.env = before;
  }
}

function equal(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
