#!/usr/bin/env node
/**
 * A training step's time (forward, backward, Adam) beside PyTorch's on the same machine: medians, and their ratio.
 *
 *   npm run bench:train -- [network ...] [--help]
 *
 * PyTorch runs in the memory format that is the faster one, and its waiting threads sleep as early as ours (GOMP_SPINCOUNT is
 * handed on): where cores are shared, spinning costs it several times its step. It is the Python's that PADEZOO_PYTHON
 * names, else of `python3`. Sides take turns, one step each, so that whatever else the machine does meets them alike; while
 * one calculates, the other waits.
 */
import { execFileSync, spawn } from 'node:child_process';
import { availableParallelism, cpus, platform, release } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { engine, tf, zoo } from '../dist/src/index.js';
import { Recipe } from '../dist/src/training/recipe.js';
import { TrainStep } from '../dist/src/training/trainStep.js';

/** Batch sizes, unless --batch says otherwise: the paper's for its MNIST networks, what a CPU takes for the others. */
const BATCHES = { lenet: 256, vggMnist: 256, vgg8: 64, mobileNetV2: 64, resnet101: 16 };
const PRECISIONS = ['fp32', 'bf16'];
const PEERS = ['pytorch-relu', 'pytorch-pau', 'pytorch-compile-pau'];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    warmup: { type: 'string', default: '5' },
    batch: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    precision: { type: 'string', default: 'fp32' },
    peers: { type: 'string', default: 'pytorch-relu,pytorch-pau' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(
    `npm run bench:train -- [network ...] [options]

A training step's time beside PyTorch's on the same machine: medians, and their ratio.

Networks: ${Object.keys(BATCHES).join(', ')} (default lenet)

  --precision LIST   of ${PRECISIONS.join(', ')} (default fp32)
  --peers LIST       of ${PEERS.join(', ')} (default the first two; the last compiles for minutes)
  --batch N          images a step (default ${Object.values(BATCHES).join(', ')})
  --rounds N         timed steps of each side (default 20), after --warmup N (default 5)
  --threads N        (default all cores)
  --json

Environment: PADEZOO_PYTHON, a Python that has torch (default python3)
`,
  );
  process.exit();
}
const networks = positionals.length ? positionals : ['lenet'];
const whole = name => {
  const value = Number(options[name]);
  if (!(Number.isInteger(value) && value > 0))
    fail(`--${name} must be a whole number from 1, got ${options[name]}`);
  return value;
};
const [rounds, warmup, threads] = ['rounds', 'warmup', 'threads'].map(whole);
const listOf = (name, known) => {
  const list = options[name].split(',');
  for (const item of list)
    if (!known.includes(item)) fail(`--${name} takes ${known.join(', ')}, got '${item}'`);
  return list;
};
const precisions = listOf('precision', PRECISIONS);
const peerNames = listOf('peers', PEERS);
const unknown = networks.filter(name => !Object.hasOwn(BATCHES, name));
if (unknown.length) fail(`there is no ${unknown.join(', ')}; known: ${Object.keys(BATCHES).join(', ')}`);

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
      const { ms, error } = await answer();
      if (error) fail(`${request.peer} of ${request.name}: ${error}`);
      return ms;
    },
    stop: () => child.stdin.end(),
  };
}

/** The step that `train` takes. */
function stepper(name, activation, batch) {
  const model = zoo.create(name, { activation });
  const step = new TrainStep(model, Recipe.parse({ optimizer: 'adam' }));
  const shape = [batch, ...model.inputs[0].shape.slice(1)];
  const images = tf.randomNormal(shape, 0, 1, 'float32', 1);
  const labels = tf.tensor1d(
    Array.from({ length: batch }, (_, i) => i % 10),
    'int32',
  );
  const time = () => {
    const began = performance.now();
    step.run(images, labels, 0.002); // waits for the loss, as .item() does
    return performance.now() - began;
  };
  for (let i = 0; i < warmup; i++) time();
  const dispose = () => {
    step.dispose();
    model.dispose();
    tf.dispose([images, labels]);
    engine.releaseMemory();
  };
  return { time, dispose };
}

await engine.use('torch', { threads });
const peer = await startPeer();
const describe = [
  `${cpus()[0].model.trim()}, ${availableParallelism()} cores, ${platform()} ${release()}`,
  `node ${process.version}, ${engine.describe()}; PyTorch ${peer.version}, ${threads} threads`,
];
if (!options.json) console.log(`${describe.join('\n')}\n`);

const results = [];
for (const precision of precisions) {
  await engine.use('torch', { threads, precision });
  for (const name of networks) results.push(await compare(name, precision));
}
peer.stop();
if (options.json) console.log(JSON.stringify({ machine: describe[0], versions: describe[1], results }));

/** Sides take turns, one step each. */
async function compare(name, precision) {
  const batch = options.batch ? whole('batch') : BATCHES[name];
  const [pau, relu] = ['pau', 'relu'].map(activation => stepper(name, activation, batch));
  const sides = { ours: pau.time, 'ours-relu': relu.time };
  for (const [i, peerName] of peerNames.entries()) {
    const request = { name, peer: peerName, batch, precision };
    await peer.time({ ...request, warmup, forget: i === 0 });
    sides[peerName] = () => peer.time(request);
  }
  const times = Object.fromEntries(Object.keys(sides).map(side => [side, []]));
  for (let round = 0; round < rounds; round++)
    for (const [side, time] of Object.entries(sides)) times[side].push(await time());
  for (const { dispose } of [pau, relu]) dispose();

  const ms = Object.fromEntries(
    Object.entries(times).map(([side, list]) => [side, Number(median(list).toFixed(3))]),
  );
  if (!options.json) {
    console.log(`${name}, batch ${batch}, ${precision}, median of ${rounds} steps each`);
    const labels = {
      ours: 'padezoo, PAU',
      'ours-relu': 'padezoo, ReLU',
      'pytorch-relu': 'PyTorch, ReLU',
      'pytorch-pau': 'PyTorch, PAU by Horner',
      'pytorch-compile-pau': 'the same, torch.compile',
    };
    for (const [side, value] of Object.entries(ms)) {
      const ratio = `${(ms.ours / value).toFixed(2)} x`;
      console.log(`  ${labels[side].padEnd(24)} ${value.toFixed(2).padStart(9)} ms   ${ratio}`);
    }
  }
  const { ours, 'ours-relu': msRelu, ...peers } = ms;
  return { name, batch, precision, ms: ours, msRelu, peers };
}
