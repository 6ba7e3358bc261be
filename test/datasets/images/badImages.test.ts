/** What `onError` makes of images that cannot be decoded: each is listed once, and none becomes silent zeros. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import { BadImageError, datasets, type ImageEpoch } from '../../../datasets/index.js';
import { temporaryDirectory } from '../../support/folders.js';
import { writePhoto } from '../photos.js';

const sound = join(temporaryDirectory(), 'sound.jpg');
await writePhoto(sound, 0, 0);

/** A class of `count` images, of which those at `bad` are no images. */
function folderOf(count: number, bad: readonly number[]): string {
  const directory = temporaryDirectory();
  for (const split of ['train', 'test'])
    for (let i = 0; i < count; i++) {
      const path = join(directory, split, 'a', `${i}.jpg`);
      copySound(path);
      if (bad.includes(i)) writeFileSync(path, 'no image');
    }
  return directory;
}

function copySound(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(sound, path);
}

async function read(epoch: ImageEpoch) {
  let images = 0;
  let dark = 0;
  for await (const batch of epoch) {
    const values = batch.images.dataSync();
    const size = values.length / (batch.labels.size || 1);
    for (let i = 0; i < batch.labels.size; i++)
      if (values.slice(i * size, (i + 1) * size).every(value => value === 0)) dark++;
    images += batch.labels.size;
    tf.dispose([batch.images, batch.labels]);
  }
  return { images, dark, bad: epoch.summary.bad.map(({ row }) => row).sort((a, b) => a - b) };
}

const options = { size: 16, resize: 20, workers: 1 } as const;
const epoch = { batchSize: 3, seed: 1, epoch: 0, pixels: 'uint8' } as const;

test.serial('neighbouring bad images are replaced by the next sound one, each listed once', async t => {
  const data = datasets.imageFolder({
    directory: folderOf(8, [2, 3, 4]),
    onError: 'replace',
    maxBad: 3,
    ...options,
  });
  t.deepEqual(await read(data.train(epoch)), { images: 8, dark: 0, bad: [2, 3, 4] });
  t.deepEqual(await read(data.test({ batchSize: 8, pixels: 'uint8' })), {
    images: 8,
    dark: 0,
    bad: [2, 3, 4],
  });
  const strict = datasets.imageFolder({
    directory: folderOf(8, [2, 3, 4]),
    onError: 'replace',
    maxBad: 2,
    ...options,
  });
  await t.throwsAsync(read(strict.train(epoch)), {
    instanceOf: BadImageError,
    message: /3 bad images, allowed are 2/,
  });
});

test.serial('without one sound image, replacing is an error, whatever number is allowed', async t => {
  const data = datasets.imageFolder({
    directory: folderOf(4, [0, 1, 2, 3]),
    onError: 'replace',
    maxBad: 1000,
    ...options,
  });
  await t.throwsAsync(read(data.train(epoch)), { instanceOf: BadImageError, message: /4 bad images/ });
});

test.serial('skipping leaves them out, wherever they stand', async t => {
  const data = datasets.imageFolder({ directory: folderOf(8, [0, 3, 7]), onError: 'skip', ...options });
  t.deepEqual(await read(data.train(epoch)), { images: 5, dark: 0, bad: [0, 3, 7] });
  const ranks = await Promise.all(
    [0, 1, 2].map(rank => read(data.train({ ...epoch, shard: { rank, ranks: 3 } }))),
  );
  t.deepEqual(
    ranks.flatMap(({ bad }) => bad).sort((a, b) => a - b),
    [0, 3, 7],
  );
  t.is(
    ranks.reduce((sum, { images }) => sum + images, 0),
    5,
  );
});
