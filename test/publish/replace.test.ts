import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { BundleTargetError } from '../../src/publish/errors.js';
import type { Bytes } from '../../src/publish/manifest.js';
import { placeBundle } from '../../src/publish/placeBundle.js';
import { readBundle } from '../../src/publish/readBundle.js';
import { writeBundle } from '../../src/publish/writeBundle.js';
import { description, smallBundle, smallNetwork, sorted, temporaryFolder, utf8 } from './fixtures.js';

test.before(() => tf.setBackend('cpu'));

test('a new bundle replaces an older one, the archive too, and leaves nothing beside them', async t => {
  const folder = await temporaryFolder(t);
  const model = smallNetwork();
  const to = join(folder, 'small');
  await writeBundle(model, description, to);
  const first = readFileSync(`${to}.tar.gz`);
  await writeFile(join(to, 'stray.txt'), 'from an older format');
  await writeBundle(model, description, `${to}/`);
  t.deepEqual(readFileSync(`${to}.tar.gz`), first);
  await writeBundle(model, { ...description, seed: 8 }, to);
  t.is((await readBundle(to)).manifest.seed, 8);
  t.is((await readBundle(`${to}.tar.gz`)).manifest.seed, 8);
  t.deepEqual(readdirSync(folder).sort(), ['small', 'small.tar.gz']);
});

test('without an archive only the folder is written', async t => {
  const folder = await temporaryFolder(t);
  const written = await writeBundle(smallNetwork(), description, join(folder, 'small'), { archive: false });
  t.is(written.archive, undefined);
  t.deepEqual(readdirSync(folder), ['small']);
});

test('an empty folder is taken, a link to one is followed', async t => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'real'));
  await symlink(join(folder, 'real'), join(folder, 'link'));
  const { directory } = await placeBundle(join(folder, 'link'), await smallBundle());
  t.true(directory.endsWith('real'));
  t.is((await readBundle(join(folder, 'link'))).manifest.seed, 7);
});

test('a folder or a file that is not a bundle is refused and stays as it is', async t => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'thesis'));
  await writeFile(join(folder, 'thesis', 'draft.txt'), 'years of work');
  await writeFile(join(folder, 'file'), 'text');
  await writeFile(join(folder, 'backup.tar.gz'), 'mine');
  const model = smallNetwork();
  for (const name of ['thesis', 'file', 'backup']) {
    const error = await t.throwsAsync(writeBundle(model, description, join(folder, name)), {
      instanceOf: BundleTargetError,
    });
    t.true(error?.path.includes(name));
  }
  t.is(readFileSync(join(folder, 'thesis', 'draft.txt'), 'utf8'), 'years of work');
  t.is(readFileSync(join(folder, 'backup.tar.gz'), 'utf8'), 'mine');
  t.deepEqual(readdirSync(folder).sort(), ['backup.tar.gz', 'file', 'thesis']);
});

for (const archived of [false, true])
  test(`a write that fails half way leaves the older bundle, and nothing else${archived ? '; so with an archive' : ''}`, async t => {
    const folder = await temporaryFolder(t);
    const files = await smallBundle();
    const to = join(folder, 'small');
    await placeBundle(to, files);
    class Failing extends Map<string, Bytes> {
      override *[Symbol.iterator](): MapIterator<[string, Bytes]> {
        yield ['padezoo.json', utf8('{}')];
        throw new Error('no space left on device');
      }
    }
    await t.throwsAsync(placeBundle(to, new Failing(), { archived }), { message: /no space/ });
    t.deepEqual(sorted((await readBundle(to)).files), sorted(files));
    t.deepEqual(readdirSync(folder), ['small']);
  });

test('a writer that is killed half way leaves the older bundle', async t => {
  const folder = await temporaryFolder(t);
  const files = await smallBundle();
  const to = join(folder, 'small');
  await placeBundle(to, files);
  const module = new URL('../../src/publish/placeBundle.js', import.meta.url).href;
  const script = `
    import { placeBundle } from ${JSON.stringify(module)};
    class Dying extends Map {
      *[Symbol.iterator]() {
        yield ['padezoo.json', new Uint8Array(9)];
        process.kill(process.pid, 'SIGKILL');
        yield ['README.md', new Uint8Array(9)];
      }
    }
    await placeBundle(${JSON.stringify(to)}, new Dying());`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script]);
  t.is(signal, 'SIGKILL');
  t.deepEqual(sorted((await readBundle(to)).files), sorted(files));
  await placeBundle(to, files); // and what it left does not stand in the way
  t.deepEqual(sorted((await readBundle(to)).files), sorted(files));
});
