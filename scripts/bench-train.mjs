#!/usr/bin/env node
/**
 * A training step's time (forward, backward, Adam) beside PyTorch's on the same machine: medians, and their ratio.
 *
 *   npm run bench:train -- [network ...] [--rounds N] [--batch N] [--threads N] [--json]
 *
 * PyTorch is the Python's that PADEZOO_PYTHON names, else of `python3`. Sides take turns, one step each, so that whatever
 * else the machine does meets them alike; while one calculates, the other waits.
 */
import { execFileSync, spawn } from 'node:child_process';
import { availableParallelism, cpus, platform, release } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CompiledStep } from '../dist/src/engines/compiledStep.js';
import { engine, softmaxCrossEntropy, tf, zoo } from '../dist/src/index.js';
import { Optimizer } from '../dist/src/training/optimizer.js';
import { Recipe } from '../dist/src/training/recipe.js';

const WARMUP_STEPS = 10; // allocators, thread pools and just-in-time compilers settle within these

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '60' },
    batch: { type: 'string', default: '256' },
    threads: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'boolean', default: false },
  },
});
const networks = positionals.length ? positionals : ['lenet'];
const [rounds, batch, threads] = [options.rounds, options.batch, options.threads].map(Number);
for (const [name, value] of Object.entries({ rounds, batch, threads })) {
  if (!(Number.isInteger(value) && value > 0))
    fail(`--${name} must be a whole number from 1, got ${options[name]}`);
}
const unknown = networks.filter(name => !zoo.list().some(each => each.name === name));
if (unknown.length)
  fail(
    `there is no ${unknown.join(', ')}; known: ${zoo
      .list()
      .map(({ name }) => name)
      .join(', ')}`,
  );

function fail(message) {
  process.stderr.write(`bench-train: ${message}\n`);
  process.exit(1);
}

const median = times => times.toSorted((a, b) => a - b)[times.length >> 1];

/** PyTorch in a process of its own, which answers one request at a time. */
async function startPeer() {
  const python = process.env.PADEZOO_PYTHON ?? 'python3';
  try {
    execFileSync(python, ['-c', 'import torch'], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const reason = String(error.stderr || error.message)
      .trim()
      .split('\n')
      .at(-1);
    fail(
      `${python} cannot import torch (${reason}); PyTorch is needed to compare with: pip install torch, ` +
        'or set PADEZOO_PYTHON to a Python that has it',
    );
  }
  const script = fileURLToPath(new URL('bench-train.py', import.meta.url));
  const child = spawn(python, [script, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) fail('the Python side ended; its message is above');
    return JSON.parse(value);
  };
  const { torch } = await answer();
  return {
    version: torch,
    time: async request => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return (await answer()).ms;
    },
    stop: () => child.stdin.end(),
  };
}

/** Our step, in the parts that `train` is made of. */
function stepper(name, activation) {
  const model = zoo.create(name, { activation });
  const optimizer = new Optimizer(model, Recipe.parse({ optimizer: 'adam' }));
  const shape = [batch, ...model.inputs[0].shape.slice(1)];
  const images = tf.randomNormal(shape, 0, 1, 'float32', 1);
  const labels = tf.tensor1d(
    Array.from({ length: batch }, (_, i) => i % 10),
    'int32',
  );
  const update = new CompiledStep(([images, labels, learningRate]) => {
    const { value, grads } = tf.variableGrads(
      () => softmaxCrossEntropy(model.apply(images, { training: true }), labels),
      [...optimizer.variables],
    );
    optimizer.apply(
      optimizer.variables.map(variable => grads[variable.name]),
      learningRate,
      value,
    );
    return [value];
  });
  const step = () =>
    tf.tidy(() => {
      const [loss] = update.run([images, labels, tf.scalar(0.002)]);
      return loss.dataSync()[0]; // waits for the result, as .item() does
    });
  for (let i = 0; i < WARMUP_STEPS; i++) step();
  return () => {
    const began = performance.now();
    step();
    return performance.now() - began;
  };
}

await engine.use('torch', { threads });
const peer = await startPeer();
const describe = [
  `${cpus()[0].model.trim()}, ${availableParallelism()} cores, ${platform()} ${release()}`,
  `node ${process.version}, ${engine.describe()}; PyTorch ${peer.version}, ${threads} threads`,
];
if (!options.json) console.log(`${describe.join('\n')}\n`);

const results = [];
for (const name of networks) {
  const ours = { pau: stepper(name, 'pau'), relu: stepper(name, 'relu') };
  const theirs = activation => extra => peer.time({ name, activation, batch, ...extra });
  const peers = { 'pytorch-relu': theirs('relu'), 'pytorch-pau': theirs('pau') };
  for (const time of Object.values(peers)) await time({ warmup: WARMUP_STEPS });

  const times = { ours: [], 'ours-relu': [], 'pytorch-relu': [], 'pytorch-pau': [] };
  for (let round = 0; round < rounds; round++) {
    times.ours.push(ours.pau());
    times['pytorch-relu'].push(await peers['pytorch-relu']());
    times['ours-relu'].push(ours.relu());
    times['pytorch-pau'].push(await peers['pytorch-pau']());
  }
  const ms = Object.fromEntries(Object.entries(times).map(([side, list]) => [side, median(list)]));
  const figure = side => Number(ms[side].toFixed(3));
  results.push({
    name,
    batch,
    precision: 'float32',
    ms: figure('ours'),
    msRelu: figure('ours-relu'),
    peers: { 'pytorch-relu': figure('pytorch-relu'), 'pytorch-pau': figure('pytorch-pau') },
  });
  if (options.json) continue;
  console.log(`${name}, batch ${batch}, float32, median of ${rounds} steps each`);
  const row = (label, side) =>
    console.log(
      `  ${label.padEnd(24)} ${ms[side].toFixed(2).padStart(8)} ms   ${(ms.ours / ms[side]).toFixed(2)} x`,
    );
  row('padezoo, PAU', 'ours');
  row('padezoo, ReLU', 'ours-relu');
  row('PyTorch, ReLU', 'pytorch-relu');
  row('PyTorch, PAU by Horner', 'pytorch-pau');
}
peer.stop();
if (options.json) console.log(JSON.stringify({ machine: describe[0], versions: describe[1], results }));
