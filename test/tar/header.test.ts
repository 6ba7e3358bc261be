/** Headers as node-tar writes them are read as it reads them. */
import test from 'ava';
import fc from 'fast-check';
import { Header, Pax } from 'tar';
import { extended, isExtension, isFile, readExtension, readHeader } from '../../src/tar/header.js';

const refuse = (problem: string) => new Error(problem);
const TYPES = { File: '0', Link: '1', SymbolicLink: '2', Directory: '5', ContiguousFile: '7' } as const;

/** @param unit `'grapheme'`: of any alphabet, for which a program writes a pax header */
const pathOf = (unit: 'grapheme' | 'grapheme-ascii') => {
  const name = fc.string({ unit, minLength: 1, maxLength: 60 }).filter(text => !/[\0/]/.test(text));
  return fc.array(name, { minLength: 1, maxLength: 3 }).map(names => names.join('/'));
};
const entry = fc.record({
  path: pathOf('grapheme-ascii'), // up to 182 bytes, so that some need the prefix
  size: fc.oneof(fc.nat(), fc.maxSafeNat()), // of 8 GiB and more too
  type: fc.constantFrom(...(Object.keys(TYPES) as (keyof typeof TYPES)[])),
});

test('path, size and type are those that were written', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(entry, ({ path, size, type }) => {
        const block = Buffer.alloc(512);
        new Header({ path, size, type, mode: 0o644, mtime: new Date(0) }).encode(block, 0);
        const own = readHeader(block, refuse)!;
        const bytes = ['File', 'Link', 'ContiguousFile'].includes(type) ? size : 0;
        return own.path === path && own.bytes === bytes && own.type === TYPES[type];
      }),
    ),
  );
});

test('what a pax header says comes before the header itself: the path always, the size of files alone', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(entry, pathOf('grapheme'), fc.maxSafeNat(), ({ size, type }, long, real) => {
        const pax = new Pax({ path: long, size: real, mtime: new Date(0) }).encode();
        const first = readHeader(pax.subarray(0, 512), refuse)!;
        const said = readExtension(first, pax.subarray(512, 512 + first.bytes), refuse);
        const block = Buffer.alloc(512);
        new Header({ path: 'short', size, type, mode: 0o644, mtime: new Date(0) }).encode(block, 0);
        const plain = readHeader(block, refuse)!;
        const whole = extended(plain, said);
        return (
          isExtension(first) &&
          !isExtension(plain) &&
          whole.path === long &&
          whole.bytes === (isFile(plain) ? real : plain.bytes)
        );
      }),
    ),
  );
});

test('a size that a pax header gives never changes a pax header or long name that stands between', t => {
  const block = Buffer.alloc(512);
  new Header({ path: '././@LongLink', size: 9, type: 'NextFileHasLongPath', mode: 0o644 }).encode(block, 0);
  const header = readHeader(block, refuse)!;
  t.is(extended(header, { bytes: 4096 }).bytes, 9);
});

test('a block of zeros is the end, and no header', t => {
  t.is(readHeader(new Uint8Array(512), refuse), undefined);
  t.throws(() => readHeader(new Uint8Array(512).fill(1), refuse), { message: /right checksum/ });
});
