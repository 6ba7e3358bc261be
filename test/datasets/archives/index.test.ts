/** The index of an archive in the cache: what makes it be built again, what is never believed, and checksums. */
import { createHook } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { create, Header } from 'tar';
import { type ArchiveIndex, indexArchive, type Nesting } from '../../../datasets/archives/archiveIndex.js';
import {
  decodeEntries,
  EntriesBuilder,
  encodeEntries,
  entriesOf,
} from '../../../datasets/archives/entries.js';
import type { ArchiveProgress } from '../../../datasets/archives/progress.js';
import { CorruptArchiveError, CorruptFileError, datasets } from '../../../datasets/index.js';
import { OptionsError } from '../../../src/errors.js';
import { temporaryDirectory } from '../../support/folders.js';
import { imageNetArchives } from '../photos.js';

const cache = temporaryDirectory();
process.env.PADEZOO_CACHE = cache;
const indexes = join(cache, 'indexes');
const keptIndexes = () => readdirSync(indexes).filter(name => name.endsWith('.index'));
const archives = await imageNetArchives();
const train = join(archives, 'ILSVRC2012_img_train.tar');

async function indexOf(
  path: string,
  nesting: Nesting = 'flat',
): Promise<{ index: ArchiveIndex; read: boolean }> {
  const work = indexArchive(path, nesting);
  let read = false;
  for (;;) {
    const { done, value } = await work.next();
    if (done) return { index: value, read };
    read = true;
  }
}

const pathsOf = (index: ArchiveIndex) => Array.from({ length: index.length }, (_, row) => index.path(row));

test.serial('entries come back from their bytes as they were, in any order and any alphabet', t => {
  const entry = fc.record({
    path: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    offset: fc.maxSafeNat(),
    bytes: fc.maxSafeNat(),
  });
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 50 }), fc.string(), (entries, stamp) => {
        const builder = new EntriesBuilder('a.tar');
        for (const one of entries) builder.add(one, 'n01440764.tar/');
        const found = entriesOf(decodeEntries(encodeEntries(stamp, builder.columns()), stamp)!);
        return (
          found.length === entries.length &&
          entries.every(
            ({ path, offset, bytes }, row) =>
              Buffer.from(found.path(row)).equals(Buffer.from(`n01440764.tar/${path}`)) &&
              found.offset(row) === offset &&
              found.bytes(row) === bytes,
          )
        );
      }),
    ),
  );
});

test.serial('a kept index with any byte changed, cut, or of another stamp is not believed', t => {
  const builder = new EntriesBuilder('a.tar');
  for (let i = 0; i < 3; i++) builder.add({ path: `a${i}`, offset: 512 * i, bytes: i });
  const whole = encodeEntries('1 2', builder.columns());
  t.truthy(decodeEntries(whole, '1 2'));
  t.is(decodeEntries(whole, '1 3'), undefined);
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1;
    if (decodeEntries(bytes, '1 2') || decodeEntries(whole.subarray(0, at), '1 2'))
      return t.fail(`byte ${at}`);
  }
});

test.serial('an index is read once, and again when size or time of the archive change', async t => {
  const path = join(temporaryDirectory(), 'train.tar');
  copyFileSync(train, path);
  t.true((await indexOf(path, 'nested')).read);
  t.false((await indexOf(path, 'nested')).read);
  utimesSync(path, new Date(), new Date(2020, 1, 1));
  t.true((await indexOf(path, 'nested')).read);
  const { atime, mtime } = statSync(path);
  appendFileSync(path, Buffer.alloc(512));
  utimesSync(path, atime, mtime);
  t.true((await indexOf(path, 'nested')).read);
  appendFileSync(path, 'x');
  await t.throwsAsync(indexOf(path, 'nested'), {
    instanceOf: CorruptArchiveError,
    message: /goes on behind/,
  });
});

test.serial(
  'the entries of an archive cost no promise each: a long queue of them made the index quadratic',
  async t => {
    const path = join(temporaryDirectory(), 'flat.tar');
    const entries = 5000;
    const headers = Array.from({ length: entries }, (_, i) => {
      const block = Buffer.alloc(512);
      new Header({ path: `${i}.jpg`, size: 0, type: 'File', mode: 0o644, mtime: new Date(0) }).encode(
        block,
        0,
      );
      return block;
    });
    writeFileSync(path, Buffer.concat([...headers, Buffer.alloc(1024)]));
    let promises = 0;
    const hook = createHook({ init: (_, type) => (promises += Number(type === 'PROMISE')) }).enable();
    t.teardown(() => hook.disable());
    for (const nesting of ['flat', 'nested'] as const) {
      promises = 0;
      t.is((await indexOf(path, nesting)).index.length, entries);
      t.true(promises < entries / 10, `${nesting}: ${promises} promises`);
    }
  },
);

test.serial('the nested and the flat index of one archive are two', async t => {
  const nested = (await indexOf(train, 'nested')).index;
  const flat = (await indexOf(train)).index;
  t.deepEqual(pathsOf(flat), ['n01440764.tar', 'n01751748.tar', 'n02119789.tar']);
  t.is(nested.length, 9);
  t.is(pathsOf(nested)[3], 'n01751748.tar/n01751748_0.JPEG');
  const bytes = readFileSync(train);
  for (let row = 0; row < nested.length; row++)
    t.is(bytes.readUInt16BE(nested.offset(row)), 0xffd8, 'a JPEG begins there');
});

test.serial(
  'a damaged index in the cache is built again; a cache that cannot be written is done without',
  async t => {
    const path = join(temporaryDirectory(), 'train.tar');
    copyFileSync(train, path);
    const before = new Set(readdirSync(indexes));
    await indexOf(path);
    const [own] = keptIndexes().filter(name => !before.has(name));
    writeFileSync(join(indexes, own!), 'not an index');
    t.true((await indexOf(path)).read);
    t.false((await indexOf(path)).read);

    const shut = temporaryDirectory();
    writeFileSync(join(shut, 'indexes'), 'a file where the folder must be');
    process.env.PADEZOO_CACHE = shut;
    t.teardown(() => {
      process.env.PADEZOO_CACHE = cache;
    });
    t.is((await indexOf(path)).index.length, 3);
    t.true((await indexOf(path)).read);
    const unwritable = temporaryDirectory();
    mkdirSync(join(unwritable, 'indexes'));
    chmodSync(join(unwritable, 'indexes'), 0o500);
    process.env.PADEZOO_CACHE = unwritable;
    await t.notThrowsAsync(indexOf(path));
  },
);

test.serial('one image twice in an archive is refused', async t => {
  const work = temporaryDirectory();
  writeFileSync(join(work, 'a.JPEG'), 'x');
  await create({ file: join(work, 'n01440764.tar'), cwd: work, portable: true }, [
    'a.JPEG',
    './a.JPEG',
    'a.JPEG',
  ]);
  const path = join(work, 'train.tar');
  await create({ file: path, cwd: work, portable: true }, ['n01440764.tar']);
  await t.throwsAsync(async () => datasets.imagenet({ train: path, val: path }), {
    instanceOf: CorruptFileError,
    message: /has n01440764\.tar\/a\.JPEG twice/,
  });
});

const md5 = (path: string) => createHash('md5').update(readFileSync(path)).digest('hex');

test.serial('md5 on request: with progress, remembered, and refused when it is another', async t => {
  const val = join(archives, 'ILSVRC2012_img_val.tar');
  const devkit = join(archives, 'ILSVRC2012_devkit_t12.tar.gz');
  const view = { size: 16, resize: 20, workers: 1 };
  const verify = { train: md5(train), val: md5(val), devkit: md5(devkit) };
  const events: ArchiveProgress[] = [];
  for await (const event of datasets.imagenet({ train, val, devkit, verify, ...view })) events.push(event);
  const sums = events.filter(({ work }) => work === 'md5');
  t.deepEqual(
    sums.filter(({ done, total }) => done === total).map(({ archive, total }) => [archive, total]),
    [train, val, devkit].map(path => [path, statSync(path).size]),
  );
  const again: ArchiveProgress[] = [];
  for await (const event of datasets.imagenet({ train, val, devkit, verify, ...view })) again.push(event);
  t.deepEqual(again, [], 'nothing is read again');

  await t.throwsAsync(async () => datasets.imagenet({ directory: archives, verify: 'md5', ...view }), {
    instanceOf: CorruptFileError,
    message:
      /ILSVRC2012_img_train\.tar has md5 [0-9a-f]{32}, not 1d675b47d978889d74fa0da5fadfb00e; get the archive again/,
  });
  await t.throwsAsync(
    async () => datasets.imagenet({ train: 'http://127.0.0.1:9/a.tar', val, verify: 'md5' }),
    {
      instanceOf: OptionsError,
      message: /verify needs train to be an archive on this machine, got http/,
    },
  );
});
