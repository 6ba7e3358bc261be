/**
 * Measures decoding (decode, random crop to 224, flip) of 500 x 375 JPEGs by the data set's workers, and how long a training
 * step that takes a given time waits for it.
 *
 *   node scripts/bench-data.mjs [--images 400] [--workers 1,2] [--step-ms 0] [--rounds 3]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { datasets, engine, tf } from '../dist/src/index.js';

const { values: options } = parseArgs({
  options: {
    images: { type: 'string', default: '400' },
    workers: { type: 'string', default: '1,2' },
    'step-ms': { type: 'string', default: '0' },
    rounds: { type: 'string', default: '3' },
  },
});
const [images, stepMs, rounds] = [options.images, options['step-ms'], options.rounds].map(Number);
const [WIDTH, HEIGHT, DISTINCT, BATCH] = [500, 375, 40, 32];

await engine.use('cpu');
const folder = mkdtempSync(join(tmpdir(), 'padezoo-bench-'));
try {
  await makePhotos();
  const counts = options.workers.split(',').map(Number);
  const results = new Map(counts.map(count => [count, []]));
  for (let round = 0; round < rounds; round++)
    for (const count of counts) results.get(count).push(await measure(count));
  const middle = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  console.log(
    `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}; ${images} images, step ${stepMs} ms`,
  );
  console.log('| workers | images a second | images a CPU second | share of time waiting |');
  console.log('|---|---|---|---|');
  for (const [count, measured] of results) {
    const [wall, cpu, waiting] = ['wall', 'cpu', 'waiting'].map(key =>
      middle(measured.map(result => result[key])),
    );
    console.log(`| ${count} | ${wall.toFixed(0)} | ${cpu.toFixed(0)} | ${(100 * waiting).toFixed(0)} % |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One epoch; the clock starts with the first batch, when the workers run. */
async function measure(workers) {
  const data = datasets.imageFolder({ train: folder, test: folder, workers });
  const epoch = data.train({ batchSize: BATCH, seed: 1, epoch: 0, pixels: 'uint8' });
  let began;
  let usage;
  let first = 0;
  let waited = 0;
  for await (const batch of epoch) {
    if (began === undefined) {
      began = performance.now();
      usage = process.cpuUsage();
      first = epoch.summary.images;
      waited = epoch.summary.waitedMs;
    }
    tf.dispose([batch.images, batch.labels]);
    if (stepMs > 0) await setTimeout(stepMs);
  }
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(usage);
  const done = epoch.summary.images - first;
  return {
    wall: done / seconds,
    cpu: done / ((user + system) / 1e6),
    waiting: (epoch.summary.waitedMs - waited) / 1000 / seconds,
  };
}

/** Smooth shades with edges and noise, so that JPEG has about the work of a photograph (the files have 60 to 100 KB). */
async function makePhotos() {
  mkdirSync(join(folder, 'class'));
  for (let k = 0; k < DISTINCT; k++) {
    const raw = Buffer.alloc(WIDTH * HEIGHT * 3);
    let state = k + 1;
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++)
        for (let c = 0; c < 3; c++) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          const wave = 60 * Math.sin((x * (k + 3)) / 90 + c) + 50 * Math.cos((y * (k + 2)) / 70);
          const edge = (x * 3 + y * (k + 1)) % 180 < 90 ? 25 : -25;
          raw[(y * WIDTH + x) * 3 + c] = Math.max(0, Math.min(255, 128 + wave + edge + (state >>> 27)));
        }
    const jpeg = await sharp(raw, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .jpeg({ quality: 90 })
      .toBuffer();
    for (let i = k; i < images; i += DISTINCT) writeFileSync(join(folder, 'class', `${i}.jpg`), jpeg);
  }
}
