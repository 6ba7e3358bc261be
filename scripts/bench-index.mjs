/**
 * Measures the index of an archive of about 110 KB an image, all contents holes in a sparse file: entries a CPU second while it
 * is built from the headers, its size in the cache, and the time to load it from there. Nested, it has ImageNet's structure
 * (an archive of about 1,281 images a class in one archive); flat, all images lie in one folder.
 *
 * The archive takes 4 KB an entry in the folder for temporary files; a file system in memory (TMPDIR=/dev/shm) makes and removes
 * it at once.
 *
 *   node scripts/bench-index.mjs [--entries 256000] [--rounds 3] [--nesting nested|flat]
 */
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Header } from 'tar';
import { indexArchive } from '../dist/datasets/archives/archiveIndex.js';

const { values: options } = parseArgs({
  options: {
    entries: { type: 'string', default: '256000' },
    rounds: { type: 'string', default: '3' },
    nesting: { type: 'string', default: 'nested' },
  },
});
const { nesting } = options;
if (nesting !== 'nested' && nesting !== 'flat') {
  console.error(`bench-index: --nesting takes nested or flat, got ${nesting}`);
  process.exit(2);
}
const [entries, rounds] = [options.entries, options.rounds].map(Number);
const PER_CLASS = 1281;
const BLOCK = 512;
const RECORD = 20 * BLOCK; // tar fills archives up to this

const folder = mkdtempSync(join(tmpdir(), 'padezoo-bench-'));
process.env.PADEZOO_CACHE = join(folder, 'cache');
try {
  const path = join(folder, 'train.tar');
  writeArchive(path);
  const built = [];
  const loaded = [];
  for (let round = 0; round < rounds; round++) {
    rmSync(process.env.PADEZOO_CACHE, { recursive: true, force: true });
    built.push(await timed(() => indexOf(path)));
    loaded.push(await timed(() => indexOf(path)));
  }
  const [kept] = readdirSync(join(process.env.PADEZOO_CACHE, 'indexes'));
  const { size } = statSync(join(process.env.PADEZOO_CACHE, 'indexes', kept));
  const median = (times, what) => times.map(time => time[what]).sort((a, b) => a - b)[Math.floor(rounds / 2)];
  console.log(
    `${cpus()[0].model}, Node ${process.version}; ${entries} entries, ${nesting}, medians of ${rounds} rounds`,
  );
  const cpu = median(built, 'cpu') / 1000;
  console.log(
    `built   ${(median(built, 'wall') / 1000).toFixed(2)} s, ${cpu.toFixed(2)} s of CPU: ${Math.round(entries / cpu)} entries a CPU second`,
  );
  console.log(
    `loaded  ${median(loaded, 'wall').toFixed(0)} ms, ${median(loaded, 'cpu').toFixed(0)} ms of CPU`,
  );
  console.log(`size    ${(size / 2 ** 20).toFixed(1)} MiB, ${(size / entries).toFixed(1)} bytes an entry`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Drops the events. */
async function indexOf(path) {
  const work = indexArchive(path, nesting);
  for (;;) {
    const { done, value } = await work.next();
    if (done) return value;
  }
}

/** In milliseconds; of the CPU too, which other programs on the machine do not lengthen. */
async function timed(work) {
  const began = performance.now();
  const before = process.cpuUsage();
  const index = await work();
  const { user, system } = process.cpuUsage(before);
  const wall = performance.now() - began;
  if (index.length !== entries) throw new Error(`${index.length} entries, not ${entries}`);
  return { wall, cpu: (user + system) / 1000 };
}

function writeArchive(path) {
  const file = openSync(path, 'w');
  const padded = (bytes, to = BLOCK) => Math.ceil(bytes / to) * to;
  const header = (name, bytes, at) => {
    const block = Buffer.alloc(BLOCK);
    new Header({ path: name, size: bytes, type: 'File', mode: 0o644, mtime: new Date(0) }).encode(block, 0);
    writeSync(file, block, 0, BLOCK, at);
  };
  /** -> where they end */
  const images = (sizes, nameOf, at) => {
    for (const [i, bytes] of sizes.entries()) {
      header(nameOf(i), bytes, at);
      at += BLOCK + padded(bytes);
    }
    return at;
  };
  const sizesOf = count => Array.from({ length: count }, (_, i) => 20_000 + ((i * 7919) % 180_000));
  let offset = 0;
  if (nesting === 'flat') {
    const nameOf = i => `ILSVRC2012_val_${String(i + 1).padStart(8, '0')}.JPEG`;
    offset = images(sizesOf(entries), nameOf, offset);
  } else
    for (let first = 0, label = 0; first < entries; first += PER_CLASS, label++) {
      const wnid = `n${String(1_440_764 + label * 10_007).padStart(8, '0')}`;
      const sizes = sizesOf(Math.min(PER_CLASS, entries - first));
      const inner = padded(
        sizes.reduce((sum, bytes) => sum + BLOCK + padded(bytes), 2 * BLOCK),
        RECORD,
      );
      header(`${wnid}.tar`, inner, offset);
      images(sizes, i => `${wnid}_${i * 7}.JPEG`, offset + BLOCK);
      offset += BLOCK + padded(inner);
    }
  ftruncateSync(file, padded(offset + 2 * BLOCK, RECORD));
  closeSync(file);
}
