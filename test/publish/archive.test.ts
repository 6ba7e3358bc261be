import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { Header, Pax } from 'tar';
import { packArchive } from '../../src/publish/archive/pack.js';
import { unpackArchive } from '../../src/publish/archive/unpack.js';
import { BundleError, UnsafeBundleError } from '../../src/publish/errors.js';
import { MAX_ENTRIES } from '../../src/publish/manifest.js';
import { packed, smallBundle, textOf, utf8 } from './fixtures.js';

type Entry = Omit<Partial<Header>, 'type'> & {
  type?: string;
  content?: Uint8Array;
  pax?: Record<string, unknown>;
};

/** A tar of entries that no honest program would write. */
function tarOf(entries: readonly Entry[], end: Uint8Array = new Uint8Array(1024)): Buffer {
  const blocks: Uint8Array[] = [];
  for (const { content = new Uint8Array(0), pax, ...fields } of entries) {
    if (pax) blocks.push(new Pax(pax as never).encode());
    const header = new Header({ size: content.length, type: 'File', mode: 0o644, ...fields } as never);
    header.encode();
    blocks.push(header.block!, content, new Uint8Array(-content.length & 511));
  }
  return Buffer.concat([...blocks, end]);
}
const zipped = (tar: Uint8Array) => Uint8Array.from(gzipSync(tar));

const content = utf8('hello');
const hostile: Record<string, [Entry[], RegExp]> = {
  'a path that goes up': [[{ path: '../evil', content }], /"\.\.\/evil"/],
  'a path that goes up inside': [[{ path: 'a/../../evil', content }], /evil/],
  'an absolute path': [[{ path: '/tmp/evil', content }], /"\/tmp\/evil"/],
  'a Windows path': [[{ path: 'C:\\evil', content }], /evil/],
  'a hidden file': [[{ path: '.profile', content }], /profile/],
  'a path by an extended header': [[{ path: 'ok', pax: { path: '../evil' }, content }], /evil/],
  'a path that is too long': [
    [{ path: 'ok', pax: { path: `${'a/'.repeat(100)}b` }, content }],
    /could leave/,
  ],
  'a symbolic link': [[{ path: 'layers', type: 'SymbolicLink', linkpath: '/etc' }], /SymbolicLink/],
  'a hard link': [[{ path: 'layers', type: 'Link', linkpath: 'padezoo.json' }], /Link/],
  'a device': [[{ path: 'null', type: 'CharacterDevice' }], /CharacterDevice/],
  'a pipe': [[{ path: 'pipe', type: 'FIFO' }], /FIFO/],
  'an entry twice': [
    [
      { path: 'a', content },
      { path: 'a', content },
    ],
    /two entries/,
  ],
  'an entry twice but for case': [
    [
      { path: 'a', content },
      { path: 'A', content },
    ],
    /two entries/,
  ],
  'an entry twice but for a dot': [
    [
      { path: 'a', content },
      { path: './a', content },
    ],
    /two entries/,
  ],
  'a folder that is a file': [
    [
      { path: 'a', content },
      { path: 'a/', type: 'Directory' },
    ],
    /two entries/,
  ],
  'a folder that goes up': [[{ path: '../evil/', type: 'Directory' }], /evil/],
  'a size beyond the end': [[{ path: 'a', size: 10 ** 9, content }], /declares 1000000000 bytes/],
  'a size beyond numbers': [[{ path: 'a', pax: { size: 1e300 }, content }], /declares|damaged/],
  'more entries than a bundle has': [
    Array.from({ length: MAX_ENTRIES + 2 }, (_, i) => ({ path: `f${i}`, content: new Uint8Array(0) })),
    /more than 1024 entries/,
  ],
};
for (const [what, [entries, message]] of Object.entries(hostile)) {
  test(`an archive with ${what} is refused`, async t => {
    const error = await t.throwsAsync(unpackArchive('a.tgz', zipped(tarOf(entries))), {
      instanceOf: UnsafeBundleError,
    });
    t.regex(error!.message, message);
  });
}

test('an archive without an end mark, or with data after it, is refused', async t => {
  const entries = [{ path: 'a', content }];
  for (const end of [
    new Uint8Array(0),
    new Uint8Array(512),
    utf8('x'),
    Buffer.concat([Buffer.alloc(1024), utf8('x')]),
  ]) {
    await t.throwsAsync(
      unpackArchive('a', zipped(tarOf(entries, end))),
      { instanceOf: UnsafeBundleError },
      `${end.length}`,
    );
  }
  t.deepEqual(
    [...(await unpackArchive('a', zipped(tarOf(entries, new Uint8Array(9 * 1024)))))],
    [['a', content]],
  );
});

test('a header that does not add up is refused', async t => {
  const tar = tarOf([{ path: 'a', content }]);
  tar[0] = 98;
  const error = await t.throwsAsync(unpackArchive('a', zipped(tar)), { instanceOf: UnsafeBundleError });
  t.regex(error!.message, /checksum/);
});

test('an archive in an archive is refused', async t => {
  await t.throwsAsync(unpackArchive('a', zipped(gzipSync(tarOf([{ path: 'a', content }])))), {
    instanceOf: UnsafeBundleError,
    message: /twice/,
  });
});

test('a bomb is refused before its data is in memory', async t => {
  const bomb = zipped(Buffer.alloc(300 * 2 ** 20));
  t.true(bomb.length < 400_000);
  const before = process.memoryUsage().rss;
  await t.throwsAsync(unpackArchive('a', bomb), {
    instanceOf: UnsafeBundleError,
    message: /unpacks to more than 67108864/,
  });
  t.true(process.memoryUsage().rss - before < 200 * 2 ** 20);
  // One that says at its end that it is small is stopped on the way.
  bomb.fill(0, -4);
  await t.throwsAsync(unpackArchive('a', bomb), {
    instanceOf: UnsafeBundleError,
    message: /unpacks to more than 67108864/,
  });
  t.true(process.memoryUsage().rss - before < 500 * 2 ** 20);
});

test('a large file of zeros can be read back', async t => {
  const files = new Map([['zeros', new Uint8Array(70 * 2 ** 20)]]);
  const back = await unpackArchive('a', await packed(files));
  t.is(Buffer.compare(back.get('zeros')!, files.get('zeros')!), 0);
});

test.serial(
  'an archive of 128 MiB or more passes through piece by piece, comes back, and is the same each time',
  async t => {
    const weights = Uint8Array.from({ length: 128 * 2 ** 20 }, (_, i) => (i * i) >> 7);
    const files = new Map([
      ['empty', new Uint8Array(0)],
      ['note', content],
      ['weights', weights],
    ]);
    const archive = await packed(files);
    const back = await unpackArchive('a', archive);
    t.deepEqual([...back.keys()], ['empty', 'note', 'weights']);
    t.deepEqual([back.get('empty')!.length, textOf(back.get('note'))], [0, 'hello']);
    t.is(Buffer.compare(back.get('weights')!, weights), 0);
    t.is(Buffer.compare(await packed(files), archive), 0);
    const pieces: number[] = [];
    const full = async (bytes: Uint8Array) => {
      if (pieces.push(bytes.length) === 3) throw new Error('no space is left');
    };
    await t.throwsAsync(packArchive(files, full), { message: 'no space is left' });
    t.is(pieces.length, 3);
    t.true(Math.max(...pieces) <= 2 ** 20);
  },
);

test('any files come back from an archive', async t => {
  const path = fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,8}){0,2}$/);
  const bytes = fc.uint8Array({ maxLength: 1600 }).map(array => Uint8Array.from(array));
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(path, bytes), { selector: ([p]) => p, maxLength: 5 }),
        async entries => {
          const back = await unpackArchive('a', await packed(new Map(entries)));
          return (
            entries.length === back.size && entries.every(([p, b]) => Buffer.compare(back.get(p)!, b) === 0)
          );
        },
      ),
      { numRuns: 50 },
    ),
  );
});

test('a mutated tar is accepted or a BundleError, never anything else', async t => {
  const files = await smallBundle();
  const { gunzipSync } = await import('node:zlib');
  const tar = gunzipSync(await packed(files));
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(
        fc.nat(tar.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
        async (at, patch) => {
          const copy = Buffer.from(tar);
          copy.set(patch.subarray(0, tar.length - at), at);
          try {
            for (const path of (await unpackArchive('a', zipped(copy))).keys())
              if (path.includes('..')) return false;
          } catch (error) {
            if (!(error instanceof BundleError)) throw error;
          }
          return true;
        },
      ),
      { numRuns: 500 },
    ),
  );
});
