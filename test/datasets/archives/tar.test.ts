/** Tar archives that are damaged, cut, hostile or merely unusual: a clear error, or the entries that are there. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { Header, type HeaderData, Pax } from 'tar';
import { LocationReader } from '../../../datasets/archives/read.js';
import { CorruptArchiveError, type TarEntry, walkTar } from '../../../datasets/archives/tarIndex.js';
import { CorruptFileError } from '../../../datasets/index.js';
import { readTarMembers, tarMemberSizes } from '../../../datasets/readTar.js';
import { RandomStream } from '../../../src/random.js';
import { temporaryDirectory } from '../../support/folders.js';
import { mutated } from '../../support/mutated.js';

const BLOCK = 512;
const END = Buffer.alloc(2 * BLOCK);

function entry(path: string, contents: Buffer | string, header: HeaderData = {}): Buffer {
  const body = Buffer.from(contents);
  const block = Buffer.alloc(BLOCK);
  const usual = { size: body.length, type: 'File', mode: 0o644, mtime: new Date(0) } as const;
  new Header({ path, ...usual, ...header }).encode(block, 0);
  return Buffer.concat([block, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]);
}

const pax = (fields: ConstructorParameters<typeof Pax>[0]) => new Pax(fields).encode();
const longName = (path: string) => entry('././@LongLink', `${path}\0`, { type: 'NextFileHasLongPath' });

/** @returns the entries, or the error; throws what is neither expected */
function list(bytes: Buffer, end = bytes.length): TarEntry[] | CorruptArchiveError {
  const entries: TarEntry[] = [];
  const walk = walkTar('fuzz.tar', 0, end, found => entries.push(found));
  try {
    let reads = 0;
    for (let step = walk.next(); !step.done; ) {
      if (++reads > 2 * bytes.length) throw new Error('it does not end');
      const { offset, bytes: count } = step.value;
      if (count > 2 ** 16 || offset + count > end) throw new Error(`asks for ${count} bytes at ${offset}`);
      step = walk.next(bytes.subarray(offset, offset + count));
    }
    return entries;
  } catch (error) {
    if (error instanceof CorruptArchiveError) return error;
    throw error;
  }
}

/** With another letter for its type, and the checksum that follows. */
function retyped(made: Buffer, type: string): Buffer {
  const block = Buffer.from(made);
  const change = type.charCodeAt(0) - block[156]!;
  block[156]! += change;
  const sum = Number.parseInt(block.subarray(148, 154).toString(), 8) + change;
  block.write(sum.toString(8).padStart(6, '0'), 148);
  return block;
}

const LONG = `${'deep/'.repeat(40)}long.jpg`;
const PARTS = [
  entry('folder/', '', { type: 'Directory' }),
  entry('folder/a.jpg', Buffer.alloc(700, 1)),
  pax({ path: 'ünïcode.jpg', size: 10 }),
  entry('short.jpg', Buffer.alloc(10, 2)),
  longName(LONG),
  entry('cut.jpg', Buffer.alloc(BLOCK, 3)),
  entry('link.jpg', '', { type: 'SymbolicLink', linkpath: 'folder/a.jpg' }),
  entry('last.jpg', 'x'),
];
const ARCHIVE = Buffer.concat([...PARTS, END]);
const PATHS = ['folder/a.jpg', 'ünïcode.jpg', LONG, 'last.jpg'];

/** Where headers begin: a part is a header with its contents, or a pax header, its contents, and no more. */
const HEADERS = PARTS.map((_, i) => PARTS.slice(0, i).reduce((sum, part) => sum + part.length, 0));
const CHECKSUM = { at: 148, bytes: 8 };

function withChecksum(bytes: Buffer, header: number): Buffer {
  bytes.fill(0x20, header + CHECKSUM.at, header + CHECKSUM.at + CHECKSUM.bytes);
  const sum = bytes.subarray(header, header + BLOCK).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, header + CHECKSUM.at, 'latin1');
  return bytes;
}

const problem = (bytes: Buffer) => {
  const found = list(bytes);
  return found instanceof CorruptArchiveError ? found.message : `no error, ${found.length} entries`;
};

test('names of every length and kind are read; folders and symbolic links are passed over', t => {
  const entries = list(ARCHIVE) as TarEntry[];
  t.deepEqual(
    entries.map(({ path }) => path),
    PATHS,
  );
  t.deepEqual(
    entries.map(({ bytes }) => bytes),
    [700, 10, 512, 1],
  );
  for (const { offset, bytes } of entries) t.is(new Set(ARCHIVE.subarray(offset, offset + bytes)).size, 1);
});

test('5,000 headers with one byte changed are refused: none gives other entries', t => {
  const changes = fc.tuple(fc.constantFrom(...HEADERS), fc.nat(BLOCK - 1), fc.integer({ min: 1, max: 255 }));
  t.notThrows(() =>
    fc.assert(
      fc.property(
        changes.filter(([, at]) => at < CHECKSUM.at || at >= CHECKSUM.at + CHECKSUM.bytes),
        ([header, at, change]) => {
          const bytes = Buffer.from(ARCHIVE);
          bytes[header + at]! ^= change;
          return list(bytes) instanceof CorruptArchiveError;
        },
      ),
      { numRuns: 5000 },
    ),
  );
});

test('5,000 headers with bytes changed and the checksum made right end in an error or in entries that lie inside', t => {
  const size = fc.integer({ min: 124, max: 135 });
  const place = fc.oneof(size, fc.constantFrom(156, 0, 345), fc.nat(BLOCK - 1)); // the type, a name, its prefix, any
  const change = fc.tuple(place, fc.integer({ min: 0, max: 255 }));
  const changes = fc.tuple(fc.constantFrom(...HEADERS), fc.array(change, { minLength: 1, maxLength: 6 }));
  let refused = 0;
  t.notThrows(() =>
    fc.assert(
      fc.property(changes, ([header, bytesChanged]) => {
        const bytes = Buffer.from(ARCHIVE);
        for (const [at, value] of bytesChanged) bytes[header + at] = value;
        const found = list(withChecksum(bytes, header));
        if (found instanceof CorruptArchiveError) {
          refused++;
          return true;
        }
        return found.every(
          ({ path, offset, bytes: count }, i) =>
            offset + count <= ARCHIVE.length &&
            offset >= BLOCK + (i === 0 ? 0 : found[i - 1]!.offset + found[i - 1]!.bytes) &&
            !path.startsWith('/') &&
            !path.split('/').includes('..'),
        );
      }),
      { numRuns: 5000 },
    ),
  );
  t.true(refused > 500, `${refused} refused`);
});

const MUTANTS = 9_000;
test(`${MUTANTS} mutated archives end in an error or in entries that lie inside`, t => {
  let refused = 0;
  for (let seed = 0; seed < MUTANTS; seed++) {
    const bytes = mutated(ARCHIVE, new RandomStream(seed, 'tar'));
    const found = list(bytes);
    if (found instanceof CorruptArchiveError) refused++;
    else if (!found.every(entry => entry.offset + entry.bytes <= bytes.length))
      return t.fail(`seed ${seed}: ${JSON.stringify(found)}`);
  }
  t.true(refused > MUTANTS / 10, `${refused} refused`);
});

test('an archive that is cut anywhere before its end mark is refused, between two files too', t => {
  const end = ARCHIVE.length - END.length;
  for (let length = 0; length < end + BLOCK; length++)
    if (!(list(ARCHIVE, length) instanceof CorruptArchiveError)) return t.fail(`cut at ${length}`);
  t.is((list(ARCHIVE, end + BLOCK) as TarEntry[]).length, PATHS.length, 'a lone block of zeros is an end');
  t.regex(
    problem(ARCHIVE.subarray(0, end)),
    /is truncated: it ends \(\d+\) without the zeros that end a tar/,
  );
});

test('a header that was zeroed is not taken for the end', t => {
  const bytes = Buffer.from(ARCHIVE).fill(0, HEADERS[5]!, HEADERS[5]! + BLOCK);
  t.regex(problem(bytes), /goes on behind the zeros that end a tar archive at byte/);
  t.regex(problem(Buffer.concat([ARCHIVE, ARCHIVE])), /goes on behind the zeros/);
  t.is((list(Buffer.concat([ARCHIVE, Buffer.alloc(200_000)])) as TarEntry[]).length, PATHS.length);
});

for (const path of ['../escape.jpg', '/etc/passwd', 'a/../../b.jpg'])
  for (const [how, parts] of Object.entries({
    header: [entry(path, 'x')],
    'pax header': [pax({ path }), entry('a.jpg', 'x')],
    'long name': [longName(path), entry('a.jpg', 'x')],
  }))
    test(`a path that leaves the archive is refused: ${path} in a ${how}`, t => {
      t.regex(problem(Buffer.concat([...parts, END])), /path leaves the archive, ".*", at byte/);
    });

test('what is said of all entries is passed over, however long; what Solaris says of one is taken', t => {
  const remark = 'x'.repeat(70_000);
  const everywhere = entry('PaxHeader', `70014 comment=${remark}\n`, { type: 'GlobalExtendedHeader' });
  const solaris = entry('PaxHeader/a.jpg', '19 path=b/long.jpg\n', {
    type: 'ExtendedHeader',
  });
  t.deepEqual(list(Buffer.concat([everywhere, retyped(solaris, 'X'), entry('a.jpg', 'x'), END])), [
    { path: 'b/long.jpg', offset: everywhere.length + solaris.length + BLOCK, bytes: 1 },
  ]);
});

const paxOf = (records: string, change: HeaderData = {}) =>
  entry('PaxHeader/a.jpg', records, { type: 'ExtendedHeader', ...change });
const refused: Record<string, [Buffer[], RegExp]> = {
  'a hard link': [
    [entry('b.jpg', '', { type: 'Link', linkpath: 'a.jpg' })],
    /hard link, "b\.jpg" \(pack it again/,
  ],
  'a sparse file': [
    [retyped(entry('a.jpg', 'x'), 'S')],
    /sparse file, of which holes are left out \(pack it again/,
  ],
  'a sparse file as pax has it': [
    [paxOf('22 GNU.sparse.major=1\n'), entry('a.jpg', 'x')],
    /sparse file, of which holes are left out \(pack it again/,
  ],
  'a size beyond the end': [[entry('a.jpg', 'x', { size: 2 ** 40 })], /truncated: an entry of 1099511627776/],
  'a size in pax beyond the end': [
    [pax({ path: 'a.jpg', size: 2 ** 40 }), entry('a.jpg', 'x')],
    /truncated: an entry of 1099511627776/,
  ],
  'a size in pax that is no number': [
    [paxOf('12 size=-5\n\n'), entry('a.jpg', 'x')],
    /damaged size, "-5\\n"/,
  ],
  'a pax record of the wrong length': [
    [paxOf('99 path=b.jpg\n'), entry('a.jpg', 'x')],
    /records are damaged/,
  ],
  'a pax record without an end': [[paxOf('13 path=b.jpg?'), entry('a.jpg', 'x')], /records are damaged/],
  'a name of a hundred kilobytes': [
    [longName('a'.repeat(100_000)), entry('a.jpg', 'x')],
    /extended header of 100001 bytes, more than 65536/,
  ],
  'a path that no file system takes': [
    [longName('a'.repeat(5000)), entry('a.jpg', 'x')],
    /path has 5000 letters, more than 4096/,
  ],
  'a name that is empty': [[longName(''), entry('a.jpg', 'x')], /without a name/],
};
for (const [what, [parts, message]] of Object.entries(refused))
  test(`${what} is refused`, t => t.regex(problem(Buffer.concat([...parts, END])), message));

test('a size that cannot be read is refused, though the checksum is right', t => {
  const bytes = Buffer.concat([entry('a.jpg', ''), END]);
  bytes.write('zzzzzzzzzzz', 124, 'latin1');
  t.regex(problem(withChecksum(bytes, 0)), /without a size/);
});

test('a file that is shorter than its index says is a CorruptFileError, not zeros', async t => {
  const path = join(temporaryDirectory(), 'a.tar');
  writeFileSync(path, ARCHIVE);
  const reader = new LocationReader();
  t.teardown(() => reader.close());
  const location = { container: path, offset: 0, bytes: 600 };
  t.is((await reader.read(location)).length, 600);
  truncateSync(path, 100);
  await t.throwsAsync(reader.read(location), {
    instanceOf: CorruptFileError,
    message: /ends at byte 100, expected 500 more/,
  });
});

test('an archive of more bytes than are allowed is stopped while it is unpacked', async t => {
  const path = join(temporaryDirectory(), 'bomb.tar.gz');
  const is = { instanceOf: CorruptFileError, message: /larger than 1000000 bytes/ };
  writeFileSync(path, gzipSync(Buffer.concat([entry('a', Buffer.alloc(9_000_000)), END])));
  t.throws(() => tarMemberSizes(path, 1_000_000), is);
  await t.throwsAsync(
    readTarMembers(path, () => false, 1_000_000),
    is,
  );
});

test('an archive of more bytes than memory takes is refused before it is read', async t => {
  const path = join(temporaryDirectory(), 'large.tar');
  writeFileSync(path, '');
  truncateSync(path, 3 * 2 ** 30); // a hole
  const is = { instanceOf: CorruptFileError, message: /has 3221225472 bytes, expected at most 1073741824/ };
  t.throws(() => tarMemberSizes(path), is);
  await t.throwsAsync(
    readTarMembers(path, () => true),
    is,
  );
});

test('the members that are wanted are read, gzipped or not, from sound archives alone', async t => {
  const path = join(temporaryDirectory(), 'a.tar');
  for (const pack of [(bytes: Buffer) => bytes, (bytes: Buffer) => gzipSync(bytes)]) {
    writeFileSync(path, pack(ARCHIVE));
    const members = await readTarMembers(path, name => name.endsWith('a.jpg') || name === LONG);
    t.deepEqual(
      [...members],
      [
        ['folder/a.jpg', Buffer.alloc(700, 1)],
        [LONG, Buffer.alloc(BLOCK, 3)],
      ],
    );
    writeFileSync(path, pack(ARCHIVE.subarray(0, -END.length)));
    await t.throwsAsync(
      readTarMembers(path, () => false),
      { instanceOf: CorruptArchiveError, message: /is truncated/ },
    );
  }
});
