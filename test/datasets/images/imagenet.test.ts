/** ImageNet from small archives of the official structure: order, labels, odd images, bad images, ranges, stopping. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import sharp from 'sharp';
import { create } from 'tar';
import { resample } from '../../../datasets/images/resample.js';
import { centerCrop, viewOf } from '../../../datasets/images/views.js';
import {
  BadImageError,
  CorruptArchiveError,
  CorruptFileError,
  DatasetNotFoundError,
  datasets,
} from '../../../datasets/index.js';
import { RandomStream } from '../../../src/random.js';
import { temporaryDirectory } from '../../support/folders.js';
import { serveFolder } from '../../support/server.js';

const WNIDS = ['n01440764', 'n01751748', 'n02119789']; // ILSVRC2012_IDs 449, 490, 1: another order
const VIEW = { size: 32, resize: 40, workers: 2 } as const;
process.env.PADEZOO_CACHE = temporaryDirectory(); // indexes of the tests
const folder = temporaryDirectory();

function photo(width: number, height: number, seed: number) {
  const random = new RandomStream(seed);
  const raw = Buffer.alloc(width * height * 3);
  for (let i = 0; i < raw.length; i++) raw[i] = (i / 7 + 20 * random.uniform() + seed * 40) & 255;
  return sharp(raw, { raw: { width, height, channels: 3 } });
}

async function makeImages(): Promise<void> {
  for (const [i, wnid] of WNIDS.entries()) {
    mkdirSync(join(folder, 'train', wnid), { recursive: true });
    for (let k = 0; k < 6; k++) {
      const image = photo(60 + 5 * k, 50 + 7 * i, 10 * i + k);
      const bytes = await [
        () => image.jpeg({ quality: 90 }),
        () => image.greyscale().jpeg(),
        () => image.jpeg({ progressive: true, chromaSubsampling: '4:4:4' }),
        () => image.png(), // named .JPEG all the same
        () => image.toColourspace('cmyk').jpeg(),
        () => image.withMetadata({ orientation: 6 }).jpeg(),
      ][k]!().toBuffer();
      writeFileSync(join(folder, 'train', wnid, `${wnid}_${k}.JPEG`), bytes);
    }
    const tar = join(folder, `${wnid}.tar`);
    await create(
      { file: tar, cwd: join(folder, 'train', wnid), portable: true },
      [0, 1, 2, 3, 4, 5].map(k => `${wnid}_${k}.JPEG`),
    );
  }
  await create(
    { file: join(folder, 'train.tar'), cwd: folder, portable: true },
    [...WNIDS].reverse().map(wnid => `${wnid}.tar`),
  );
  mkdirSync(join(folder, 'val'));
  for (const [i, wnid] of ['n02119789', 'n01440764', 'n01751748', 'n01440764'].entries())
    cpSync(
      join(folder, 'train', wnid, `${wnid}_${i}.JPEG`),
      join(folder, 'val', `ILSVRC2012_val_0000000${i + 1}.JPEG`),
    );
  const entries = [3, 1, 4, 2].map(i => `ILSVRC2012_val_0000000${i}.JPEG`); // not the order of names
  await create({ file: join(folder, 'val.tar'), cwd: join(folder, 'val'), portable: true }, entries);
  writeFileSync(join(folder, 'truth.txt'), '1\n449\n490\n449\n');
}
const made = makeImages();

const options = (change: object = {}) => ({
  train: join(folder, 'train.tar'),
  val: join(folder, 'val.tar'),
  devkit: join(folder, 'truth.txt'),
  ...VIEW,
  ...change,
});

async function read(batches: AsyncIterable<{ images: tf.Tensor4D; labels: tf.Tensor1D }>) {
  const labels: number[] = [];
  const hash = createHash('sha256');
  const images: Int32Array[] = [];
  for await (const batch of batches) {
    const values = batch.images.dataSync() as Int32Array;
    images.push(values);
    hash.update(Uint8Array.from(values));
    labels.push(...batch.labels.dataSync());
    tf.dispose([batch.images, batch.labels]);
  }
  return { labels, images, sha256: hash.digest('hex') };
}

const epoch = { batchSize: 5, seed: 1, epoch: 0, pixels: 'uint8' } as const;

test.serial(
  'validation labels follow names through the development kit’s ids, to sorted WordNet ids',
  async t => {
    await made;
    const data = await datasets.imagenet(options());
    t.deepEqual(data.length, { train: 18, test: 4 });
    t.deepEqual(data.classes, ['tench', 'sea snake', 'kit fox']);
    const { labels, images } = await read(data.test({ batchSize: 4, pixels: 'uint8' }));
    t.deepEqual(labels, [2, 0, 1, 0]);
    const { data: raw, info } = await sharp(readFileSync(join(folder, 'val', 'ILSVRC2012_val_00000001.JPEG')))
      .raw()
      .toBuffer({ resolveWithObject: true });
    const view = viewOf(centerCrop(32, 40), info.width, info.height, () => new RandomStream(0));
    const out = new Uint8Array(32 * 32 * 3);
    resample(raw, [info.height, info.width, 3], view, out);
    t.true(Buffer.from(out).equals(Buffer.from(Uint8Array.from(images[0]!.slice(0, out.length)))));
  },
);

test.serial(
  'an epoch is the same for any number of workers, from archives and from folders, and resumed',
  async t => {
    await made;
    const one = await read((await datasets.imagenet(options({ workers: 1, readsAtOnce: 1 }))).train(epoch));
    const data = await datasets.imagenet(options({ workers: 3 }));
    const three = await read(data.train(epoch));
    t.is(one.sha256, three.sha256);
    t.deepEqual(
      [0, 1, 2].map(label => one.labels.filter(own => own === label).length),
      [6, 6, 6],
    );
    const folders = await datasets.imagenet(
      options({ train: join(folder, 'train'), val: join(folder, 'val') }),
    );
    t.is((await read(folders.train(epoch))).sha256, one.sha256);
    const rest = await read(data.train({ ...epoch, position: 10 }));
    t.deepEqual(rest.labels, one.labels.slice(10));
    t.true(rest.images[0]!.every((value, i) => value === one.images[2]![i]));
  },
);

test.serial('archives behind an address that answers ranges give the same epoch', async t => {
  await made;
  const { url } = await serveFolder(t, folder);
  const local = await read((await datasets.imagenet(options())).train(epoch));
  const remote = await datasets.imagenet(options({ train: `${url}/train.tar`, val: `${url}/val.tar` }));
  t.is((await read(remote.train(epoch))).sha256, local.sha256);
  const deaf = await serveFolder(t, folder, 'whole files');
  await t.throwsAsync(datasets.imagenet(options({ train: `${deaf.url}/train.tar` })), {
    message: /answered HTTP 200 to a range/,
  });
});

test.serial('leaving the loop ends the workers and leaves no tensor', async t => {
  await made;
  const data = await datasets.imagenet(options());
  const before = tf.memory().numTensors;
  const threads = () => process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length;
  const idle = threads();
  for await (const { images, labels } of data.train(epoch)) {
    t.true(threads() > idle);
    tf.dispose([images, labels]);
    break;
  }
  t.is(tf.memory().numTensors, before);
  t.is(threads(), idle);
});

test.serial('bad images end the epoch, are left out, or are replaced, and are listed', async t => {
  await made;
  const broken = join(folder, 'broken');
  cpSync(join(folder, 'train'), broken, { recursive: true });
  truncateSync(join(broken, WNIDS[0]!, `${WNIDS[0]}_0.JPEG`), 700);
  writeFileSync(join(broken, WNIDS[2]!, `${WNIDS[2]}_1.JPEG`), '');
  const open = (onError: string, maxBad = 100) =>
    datasets.imagenet(options({ train: broken, val: join(folder, 'val'), onError, maxBad }));
  const error = await t.throwsAsync(async () => read((await open('throw')).train(epoch)), {
    instanceOf: BadImageError,
  });
  t.regex(error!.message, /1 bad image, allowed are 0; the last is .*_[01]\.JPEG \(.+\)/);

  const skipping = (await open('skip')).train(epoch);
  t.is((await read(skipping)).labels.length, 16);
  t.is(skipping.summary.images, 16);
  t.deepEqual(
    skipping.summary.bad.map(({ row }) => row).sort((a, b) => a - b),
    [0, 13],
  );

  const replacing = (await open('replace')).train(epoch);
  const { labels } = await read(replacing);
  t.is(labels.length, 18);
  t.is(replacing.summary.bad.length, 2);
  await t.throwsAsync(async () => read((await open('skip', 1)).train(epoch)), {
    message: /2 bad images, allowed are 1/,
  });
});

test.serial('archives that are damaged say where', async t => {
  await made;
  const damaged = async (change: (bytes: Buffer) => Buffer | undefined) => {
    const bytes = readFileSync(join(folder, 'train.tar'));
    const path = join(temporaryDirectory(), 'train.tar');
    writeFileSync(path, change(bytes) ?? bytes);
    return datasets.imagenet(options({ train: path }));
  };
  const is = { instanceOf: CorruptArchiveError };
  await t.throwsAsync(
    damaged(bytes => void bytes.fill(0xff, 100, 108)),
    { ...is, message: /no tar header with a right checksum at byte 0/ },
  );
  await t.throwsAsync(
    damaged(bytes => bytes.subarray(0, 5000)),
    { ...is, message: /truncated: .* beyond the end \(5000\)/ },
  );
  await t.throwsAsync(
    damaged(bytes => void bytes.fill(1, 612, 620)),
    { ...is, message: /train\.tar:n02119789\.tar has no tar header/ },
  );
  await t.throwsAsync(datasets.imagenet(options({ devkit: undefined })), {
    instanceOf: DatasetNotFoundError,
    message: /give devkit/,
  });
  const short = join(folder, 'short.txt');
  writeFileSync(short, '1\n2\n');
  await t.throwsAsync(datasets.imagenet(options({ devkit: short })), {
    instanceOf: CorruptFileError,
    message: /has 2 labels, but there are 4/,
  });
});

test.serial('a batch that does not fit the memory, or is none, is refused', async t => {
  await made;
  const data = await datasets.imagenet(options({ memory: 10_000 }));
  await t.throwsAsync(read(data.train(epoch)), { message: /more than memory allows, 10000/ });
  const folders = datasets.imageFolder({
    train: join(folder, 'train'),
    test: join(folder, 'train'),
    ...VIEW,
  });
  t.throws(() => folders.train({ ...epoch, batchSize: 0 }), {
    message: /^datasets\.imageFolder\(\)\.train: batchSize: /,
  });
});

test.serial('ImageFolder labels by sorted folders; WebDataset joins image and .cls', async t => {
  await made;
  const folders = datasets.imageFolder({
    train: join(folder, 'train'),
    test: join(folder, 'train'),
    ...VIEW,
  });
  t.deepEqual(folders.classes, WNIDS);
  const tested = await read(folders.test({ batchSize: 18, pixels: 'uint8' }));
  t.deepEqual(
    tested.labels,
    [0, 1, 2].flatMap(label => Array<number>(6).fill(label)),
  );

  const shard = temporaryDirectory();
  for (const [i, wnid] of WNIDS.entries()) {
    cpSync(join(folder, 'train', wnid, `${wnid}_0.JPEG`), join(shard, `a${i}.jpg`));
    writeFileSync(join(shard, `a${i}.cls`), `${2 - i}`);
  }
  await create({ file: join(shard, 's.tar'), cwd: shard }, [
    'a0.jpg',
    'a0.cls',
    'a1.cls',
    'a1.jpg',
    'a2.jpg',
    'a2.cls',
  ]);
  const one = { train: [join(shard, 's.tar')], test: [join(shard, 's.tar')], ...VIEW };
  const data = await datasets.webDataset({ ...one, classes: ['a', 'b', 'c'] });
  t.deepEqual((await read(data.test({ batchSize: 2, pixels: 'uint8' }))).labels, [2, 1, 0]);
  await t.throwsAsync(datasets.webDataset({ ...one, classes: ['a'] }), {
    instanceOf: CorruptFileError,
    message: /"2" in a0\.cls, expected 0 to 0/,
  });
});
