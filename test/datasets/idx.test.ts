/** IDX files that are right, and every way in which one can be wrong. */
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { CorruptFileError } from '../../datasets/errors.js';
import { parseIdx } from '../../datasets/idx.js';
import { idx } from './idxFiles.js';

// Written out byte by byte from the format's description: 2 x 1 x 3 unsigned bytes.
const BYTES = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60);
const images = { rank: 3 };

for (const [form, bytes] of Object.entries({ plain: BYTES, gzipped: gzipSync(BYTES) })) {
  test(`a ${form} file gives its dimensions and its bytes`, async t => {
    const { dimensions, data } = await parseIdx(bytes, 'f', images);
    t.deepEqual(dimensions, [2, 1, 3]);
    t.deepEqual([...data], [10, 20, 30, 40, 50, 60]);
  });
}

test('the sha256 is that of the uncompressed bytes', async t => {
  // printf '\0\0\10\1\0\0\0\1\7' | sha256sum
  const checksum = {
    algorithm: 'sha256',
    value: 'c564aa0aa783b8862ae6128a973a6f6b213b9428d39b5c8acfbda3c630d40f1e',
  } as const;
  const bytes = gzipSync(idx([1], Uint8Array.of(7)));
  await t.notThrowsAsync(parseIdx(bytes, 'f', { rank: 1, checksum }));
  await t.throwsAsync(parseIdx(gzipSync(idx([1], Uint8Array.of(8))), 'f', { rank: 1, checksum }), {
    instanceOf: CorruptFileError,
    message: /^datasets: f has other contents than expected: sha256 [0-9a-f]{64}, not c564aa/,
  });
});

// Stored rather than compressed, so that a cut falls into the pixels and not into the end of the gzip data.
const zipped = gzipSync(idx([100, 28, 28]), { level: 0 });
const flipped = Buffer.from(zipped);
flipped[5000]! ^= 1;
const wrongDtype = Uint8Array.from(BYTES);
wrongDtype[2] = 0x0d;

const wrong: Record<string, [Uint8Array, RegExp]> = {
  'an empty file': [Uint8Array.of(), /too short: 0 bytes cannot hold an IDX header of 16/],
  'half a header': [BYTES.subarray(0, 10), /too short: 10 bytes cannot hold/],
  'a file one byte short': [
    BYTES.subarray(0, 21),
    /too short.* 2 x 1 x 3 bytes, 22 with the header, but it has 21/,
  ],
  'a file one byte long': [
    Buffer.concat([BYTES, Uint8Array.of(0)]),
    /too long.*22 with the header, but it has 23/,
  ],
  'labels in place of images': [idx([6]), /starts with 0x00000801, expected 0x00000803/],
  'floats in place of bytes': [wrongDtype, /starts with 0x00000d03, expected 0x00000803/],
  'a web page in place of images': [Buffer.from('<!DOCTYPE html><html>'), /starts with 0x3c21444f/],
  'no images at all': [idx([0, 28, 28]), /promises 0 x 28 x 28 bytes, expected between 1 and/],
  'a forged dimension': [idx([2 ** 31, 28, 28], BYTES), /promises 2147483648 x 28 x 28 bytes/],
  'a truncated gzip file': [zipped.subarray(0, 40_000), /truncated: its gzip data has no end/],
  'a gzip file cut within its header': [zipped.subarray(0, 12), /too short: 0 bytes cannot hold/],
  'a gzip file without its checksum': [zipped.subarray(0, -4), /truncated/],
  'a gzip file with a flipped bit': [flipped, /not a sound gzip file \(incorrect data check\)/],
  'a gzip file of more than it promises': [
    gzipSync(Buffer.concat([idx([100, 28, 28]), Buffer.alloc(10 ** 7)])),
    /too long: its header promises 78416 bytes/,
  ],
  'a gzip file of less than it promises': [
    gzipSync(idx([100, 28, 28]).subarray(0, -1)),
    /too short.*but it has 78415/,
  ],
  'a gzip file with zeros behind it': [Buffer.concat([zipped, Buffer.alloc(9)]), /has 9 bytes after the end/],
};
for (const [what, [bytes, message]] of Object.entries(wrong)) {
  test(`${what} is a CorruptFileError that says so`, async t => {
    const error = await t.throwsAsync(parseIdx(bytes, 'dir/file', { ...images, remedy: 'buy a new one' }), {
      instanceOf: CorruptFileError,
      message,
    });
    t.true(error!.message.startsWith('datasets: dir/file '));
    t.true(error!.message.endsWith('; buy a new one'));
  });
}
