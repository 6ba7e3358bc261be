/** Data sets by name with the place of their files, limits, and the records that make them again. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import type { Batch, Dataset } from '../../datasets/dataset.js';
import { CorruptFileError, DatasetNotFoundError, datasets } from '../../datasets/index.js';
import { OptionsError } from '../../src/errors.js';
import { temporaryDirectory, writeSet } from '../support/folders.js';
import { serveFolder } from '../support/server.js';
import { cifarFiles } from './cifarFiles.js';
import { imageFolders, imageNetArchives, webShards } from './photos.js';

process.env.PADEZOO_CACHE = temporaryDirectory();
const view = { size: 16, resize: 20, workers: 1 };

async function labelsOf(batches: AsyncIterable<Batch>): Promise<number[]> {
  const labels: number[] = [];
  for await (const batch of batches) {
    labels.push(...batch.labels.dataSync());
    tf.dispose([batch.images, batch.labels]);
  }
  return labels;
}

const epoch = (data: Dataset) => labelsOf(data.train({ batchSize: 4, seed: 1, epoch: 0 }));

test.serial('each name with a place gives its data set, and its record makes it again', async t => {
  const [archives, folders, shards] = await Promise.all([imageNetArchives(), imageFolders(), webShards()]);
  const words: Record<string, [object, number[], string[]]> = {
    [`imagenet:${archives}`]: [{ train: 9, test: 3 }, [0, 1, 2], ['tench', 'sea snake', 'kit fox']],
    [`folder:${folders}`]: [
      { train: 9, test: 9 },
      [0, 0, 0, 1, 1, 1, 2, 2, 2],
      ['n01440764', 'n01751748', 'n02119789'],
    ],
    [`webdataset:${shards}/{split}-{0..1}.tar`]: [{}, [], []],
    [`webdataset:${shards}/{split}-*.tar`]: [{ train: 6, test: 3 }, [0, 1, 2], ['0', '1', '2']],
  };
  for (const [word, [length, labels, classes]] of Object.entries(words)) {
    if (classes.length === 0) {
      await t.throwsAsync(async () => datasets.open(word, view), {
        message: /there is no archive .*val-1\.tar/,
      });
      continue;
    }
    const data = await datasets.open(word, view);
    t.deepEqual(data.length, length as typeof data.length, word);
    t.deepEqual(data.classes, classes);
    t.deepEqual(await labelsOf(data.test({ batchSize: 2 })), labels);
    const again = await datasets.create(data.name, JSON.parse(JSON.stringify(data.options)));
    t.deepEqual(await epoch(again), await epoch(data));
  }
});

test.serial('a limit ends epochs early: exact, resumable, shared by ranks, and recorded', async t => {
  const directory = writeSet(cifarFiles('cifar10'));
  const whole = await datasets.create('cifar10', { directory });
  const data = await datasets.create('cifar10', { directory, limit: { train: 7, test: 2 } });
  t.deepEqual(data.length, { train: 7, test: 2 });
  const all = await epoch(whole);
  t.deepEqual(await epoch(data), all.slice(0, 7));
  t.deepEqual(await labelsOf(data.test({ batchSize: 10 })), [9, 3]);
  t.deepEqual(await labelsOf(data.train({ batchSize: 4, seed: 1, epoch: 0, position: 4 })), all.slice(4, 7));
  const ranks = await Promise.all(
    [0, 1].map(rank => labelsOf(data.train({ batchSize: 4, seed: 1, epoch: 0, shard: { rank, ranks: 2 } }))),
  );
  t.deepEqual(
    [...ranks[0]!.slice(0, 2), ...ranks[1]!.slice(0, 2), ...ranks[0]!.slice(2), ...ranks[1]!.slice(2)],
    all.slice(0, 7),
  );
  const again = await datasets.create(data.name, JSON.parse(JSON.stringify(data.options)));
  t.deepEqual([again.length, await epoch(again)], [data.length, all.slice(0, 7)]);
  t.deepEqual(datasets.limit(whole, { train: 1000 }).length, whole.length, 'more than there are is all');
  t.throws(() => data.train({ batchSize: 4, seed: 1, epoch: 0, position: 8 }), { message: /at most 7/ });
  t.throws(() => datasets.limit(data, { train: 2 }), {
    instanceOf: OptionsError,
    message: /limited already/,
  });
  await t.throwsAsync(async () => datasets.create('cifar10', { directory, limit: { train: 0 } }), {
    message: /train: .*got 0/,
  });
});

test.serial('places that are wrong say what is missing there', async t => {
  const empty = temporaryDirectory();
  const is = { instanceOf: DatasetNotFoundError };
  await t.throwsAsync(async () => datasets.open(`imagenet:${empty}`), {
    ...is,
    message:
      /has no ILSVRC2012_img_train\.tar or train, and no ILSVRC2012_img_val\.tar or val; give the folder/,
  });
  await t.throwsAsync(async () => datasets.open(`folder:${empty}`), {
    ...is,
    message: /has no folder train;/,
  });
  mkdirSync(join(empty, 'train', 'a'), { recursive: true });
  await t.throwsAsync(async () => datasets.open(`folder:${empty}`), {
    ...is,
    message: /has no folder test, val, validation;/,
  });
  await t.throwsAsync(async () => datasets.open(`webdataset:${empty}/{split}-*.tar`), {
    ...is,
    message: /no file fits .*train-\*\.tar/,
  });
  await t.throwsAsync(async () => datasets.open(`webdataset:${empty}/train.tar`), {
    instanceOf: OptionsError,
    message: /expected \{split\} in the pattern/,
  });
  await t.throwsAsync(async () => datasets.open('webdataset'), {
    message: /give either shards, or train and test/,
  });
  await t.throwsAsync(async () => datasets.open('imagenet'), {
    message: /give either directory, or train and val/,
  });
  t.throws(() => datasets.open('imagenet:a', { directory: 'b' }), {
    message: /and so does the option directory/,
  });
  t.throws(() => datasets.open('imagenot:a'), { message: /no data set "imagenot", expected one of mnist/ });
  t.throws(() => datasets.download('imagenet'), {
    message: /imagenet is not fetched; get its files yourself/,
  });
});

test.serial('shards without an image are blamed themselves, whichever split they are', async t => {
  const folder = await webShards();
  const empty = join(folder, 'empty.tar');
  writeFileSync(empty, Buffer.alloc(1024)); // a tar's end mark
  const lists = { train: `${folder}/train-0.tar`, test: `${folder}/val-0.tar` };
  for (const split of ['train', 'test'] as const)
    await t.throwsAsync(async () => datasets.webDataset({ ...lists, [split]: empty, ...view }), {
      instanceOf: OptionsError,
      message: `datasets.webDataset: the shards of ${split} hold no image with a .cls file`,
    });
});

test.serial(
  'shards: names of classes from a file, doubled samples, and patterns behind an address',
  async t => {
    const folder = await webShards();
    const names = join(folder, 'classes.txt');
    writeFileSync(names, 'red\ngreen\nblue\n');
    const lists = { train: [`${folder}/train-0.tar`, `${folder}/train-1.tar`], test: `${folder}/val-0.tar` };
    t.deepEqual((await datasets.webDataset({ ...lists, classes: names, ...view })).classes, [
      'red',
      'green',
      'blue',
    ]);
    await t.throwsAsync(async () => datasets.webDataset({ ...lists, classes: `${folder}/none.txt` }), {
      instanceOf: DatasetNotFoundError,
      message: /cannot read the names of the classes/,
    });
    writeFileSync(names, 'red\n');
    await t.throwsAsync(async () => datasets.webDataset({ ...lists, classes: names }), {
      instanceOf: CorruptFileError,
      message: /"1" in 01\.cls, expected 0 to 0/,
    });

    const { url, asked } = await serveFolder(t, folder);
    await t.throwsAsync(async () => datasets.open(`webdataset:${url}/{split}-{0..1}.tar`, view), {
      message: /val-1\.tar answered HTTP 404 to a range request/,
    });
    const count = asked.filter(path => path === '/val-0.tar').length;
    t.is(count, 6, 'is it there; its size; its headers, all at once; three labels');
    const remote = await datasets.webDataset({
      train: `${url}/train-{0..1}.tar`,
      test: `${url}/val-0.tar`,
      ...view,
    });
    const local = await datasets.webDataset({ ...lists, ...view });
    t.deepEqual(await epoch(remote), await epoch(local));
  },
);
