/**
 * Makes the subset of Fashion-MNIST that ships with padezoo: every tenth image of each class, in the file's order.
 *
 *     npx tsc && node scripts/embed-fashion-mnist.mjs DIRECTORY_WITH_THE_FULL_SET
 *
 * It writes the four files of datasets/embedded/fashion-mnist, and prints their checksums and the full set's
 * statistics for datasets/fashionMnist.ts.
 */
import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { readIdx } from '../dist/datasets/idx.js';

const EVERY = 10;
const CLASSES = 10;
const TARGET = new URL('../datasets/embedded/fashion-mnist/', import.meta.url);

const directory = process.argv[2];
if (!directory) {
  console.error('usage: node scripts/embed-fashion-mnist.mjs DIRECTORY_WITH_THE_FULL_SET');
  process.exit(2);
}

for (const split of ['train', 't10k']) {
  const images = await read(`${split}-images-idx3-ubyte`, 3);
  const labels = await read(`${split}-labels-idx1-ubyte`, 1);
  if (split === 'train') printStatistics(images.data);

  const seen = new Array(CLASSES).fill(0);
  const rows = [...labels.data.keys()].filter(row => seen[labels.data[row]]++ % EVERY === 0);
  const [, height, width] = images.dimensions;
  const size = height * width;
  const chosen = rows.map(row => images.data.subarray(row * size, (row + 1) * size));
  write(`${split}-images-idx3-ubyte`, [rows.length, height, width], Buffer.concat(chosen));
  write(
    `${split}-labels-idx1-ubyte`,
    [rows.length],
    Uint8Array.from(rows, row => labels.data[row]),
  );
}

function read(name, rank) {
  const path = join(directory, name);
  return readIdx(existsSync(path) ? path : `${path}.gz`, { rank });
}

function write(name, dimensions, data) {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x0800 | dimensions.length); // unsigned bytes
  dimensions.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  const whole = Buffer.concat([header, data]);
  const packed = zlib.gzipSync(whole, { level: 9, memLevel: 9 });
  writeFileSync(new URL(`${name}.gz`, TARGET), packed);
  const sha256 = createHash('sha256').update(whole).digest('hex');
  console.log(`${name}  ${dimensions.join(' x ')}  ${packed.length} bytes gzipped  sha256 ${sha256}`);
}

function printStatistics(pixels) {
  let sum = 0;
  let squares = 0; // both stay integers below 2^53, so they are exact
  for (const pixel of pixels) {
    sum += pixel;
    squares += pixel * pixel;
  }
  const mean = sum / pixels.length;
  const std = Math.sqrt(squares / pixels.length - mean * mean);
  console.log(`mean ${mean / 255}  std ${std / 255}`);
}
