#!/usr/bin/env node
/**
 * How near the memory-bound operators come to the memory's speed: bytes that each must move, its time, and its share of the
 * bandwidth of a plain copy, measured in turns in the same run.
 *
 *   npm run bench:bandwidth -- [--elements N] [--channels N] [--rounds N] [--threads N] [--json]
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { engine, tf } from '../dist/src/index.js';

const { values: options } = parseArgs({
  options: {
    elements: { type: 'string', default: String(12.8e6) },
    channels: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '15' },
    threads: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'boolean', default: false },
  },
});
const [elements, channels, rounds, threads] = ['elements', 'channels', 'rounds', 'threads'].map(name => {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value > 0) return value;
  process.stderr.write(`bench-bandwidth: --${name} must be a whole number from 1, got ${options[name]}\n`);
  return process.exit(1);
});

await engine.use('torch', { threads });
const torch = tf.backend();
const rows = Math.max(2, Math.round(elements / channels));
const [x, dy] = [1, 2].map(seed => torch.tensorOf(tf.randomNormal([rows, channels], 0, 1, 'float32', seed)));
const vector = value => torch.tensorOf(tf.fill([channels], value));
const [gamma, beta, mean, inverse] = [1, 0, 0, 1].map(vector);
const running = [vector(0), vector(1)];
const [a, b] = [
  [0.0336, 0.505, 1.6513, 2.0045, 0.9279, 0.1515],
  [0, 3.9693, 0, 0.3001],
].map(values => torch.tensorOf(tf.tensor1d(values)));
const pade = [a, b, 'absolute-sum', 1];

/** Bytes an element that must cross the memory bus: float32 tensors read and written, counted once each pass. */
const OPERATORS = {
  copy: { bytes: 8, run: aten => aten('clone', x) },
  'ReLU forward': { bytes: 8, run: aten => aten('relu', x) },
  'ReLU backward': { bytes: 12, run: aten => aten('threshold_backward', dy, x, 0) },
  'PAU forward': { bytes: 8, run: aten => aten('pade::forward', x, ...pade) },
  'PAU backward': { bytes: 12, run: aten => aten.tuple('pade::backward', dy, x, ...pade)[0] },
  'batch norm forward': {
    bytes: 12,
    run: aten => aten.tuple('padezoo::batch_norm', x, gamma, beta, ...running, 0.1, 1e-5)[0],
  },
  'batch norm + PAU forward': {
    bytes: 12,
    run: aten => aten.tuple('padezoo::batch_norm_pade', x, gamma, beta, ...running, 0.1, 1e-5, ...pade)[0],
  },
  'batch norm backward': {
    bytes: 20,
    run: aten => aten.tuple('padezoo::batch_norm_backward', dy, x, gamma, mean, inverse)[0],
  },
  'batch norm + PAU backward': {
    bytes: 24,
    run: aten =>
      aten.tuple('padezoo::batch_norm_pade_backward', dy, x, gamma, beta, mean, inverse, ...pade)[0],
  },
};

const times = Object.fromEntries(Object.keys(OPERATORS).map(name => [name, []]));
for (let round = -2; round < rounds; round++) {
  for (const [name, { run }] of Object.entries(OPERATORS)) {
    const began = performance.now();
    torch.release(torch.detached(run));
    if (round >= 0) times[name].push(performance.now() - began);
  }
}
const median = list => list.toSorted((p, q) => p - q)[list.length >> 1];
const gigabytes = ({ bytes }, ms) => (bytes * rows * channels) / ms / 1e6;
const copy = gigabytes(OPERATORS.copy, median(times.copy));
const results = Object.entries(OPERATORS).map(([name, operator]) => {
  const ms = median(times[name]);
  return { name, bytesAnElement: operator.bytes, ms, gigabytesASecond: gigabytes(operator, ms) };
});
const machine = `${engine.describe()}; [${rows}, ${channels}] float32, median of ${rounds}`;
if (options.json) console.log(JSON.stringify({ machine, results }));
else {
  console.log(`${machine}\n`);
  for (const { name, bytesAnElement, ms, gigabytesASecond } of results)
    console.log(
      `${name.padEnd(26)} ${String(bytesAnElement).padStart(3)} B ${ms.toFixed(2).padStart(8)} ms ` +
        `${gigabytesASecond.toFixed(1).padStart(6)} GB/s ${((100 * gigabytesASecond) / copy).toFixed(0).padStart(4)} % of a copy's`,
    );
}
