#!/usr/bin/env node
/**
 * Every activation's forward and backward time beside ReLU's, as one table.
 *
 *   npm run bench:activations -- [--elements N] [--channels N] [--rounds N] [--threads N] [--clock wall|cpu] [--json] [NAME ...]
 *
 * "relu" is libtorch's own pair of kernels, relu and threshold_backward, which PyTorch runs; activations that PyTorch has
 * are beside theirs. Sides take turns, one call each. `--clock cpu` counts the process's processor time, which other work
 * on the machine disturbs less; with more than one thread set OMP_WAIT_POLICY=passive, or waiting counts too.
 */
import { availableParallelism, cpus, platform, release } from 'node:os';
import { parseArgs } from 'node:util';
import { activationOf } from '../dist/src/activations/activation.js';
import { engine, tf } from '../dist/src/index.js';

const WARMUP = 3; // rounds: allocator and threads settle

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    elements: { type: 'string', default: '12800000' },
    channels: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '15' },
    threads: { type: 'string', default: String(availableParallelism()) },
    clock: { type: 'string', default: 'wall' },
    json: { type: 'boolean', default: false },
  },
});
const [elements, channels, rounds, threads] = ['elements', 'channels', 'rounds', 'threads'].map(name => {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`bench-activations: --${name} must be a whole number from 1, got ${options[name]}`);
});
const clocks = {
  wall: () => performance.now(),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};
const now = clocks[options.clock];
if (!now) throw new Error(`bench-activations: --clock must be wall or cpu, got ${options.clock}`);

await engine.use('torch', { threads });
const torch = tf.engine().backend;
const shape = [Math.ceil(elements / channels), channels];
const x = tf.randomNormal(shape, 0, 1, 'float32', 1);
const dy = tf.randomNormal(shape, 0, 1, 'float32', 2);

/** libtorch's operators on their own; `of` gives the tensor behind a tfjs one. */
const aten = body => () => {
  for (const { dataId } of torch.run([], call => body(call, tensor => torch.tensorOf(tensor))))
    torch.disposeData(dataId);
};
const pair = (forward, backward) => ({ forward: aten(forward), backward: aten(backward) });
const relu = pair(
  (call, of) => call('relu', of(x)),
  (call, of) => call('threshold_backward', of(dy), of(x), 0),
);
const PYTORCH = {
  relu6: pair(
    (call, of) => call('hardtanh', of(x), 0, 6),
    (call, of) => call('hardtanh_backward', of(dy), of(x), 0, 6),
  ),
  lrelu: pair(
    (call, of) => call('leaky_relu', of(x), 0.01),
    (call, of) => call('leaky_relu_backward', of(dy), of(x), 0.01, false),
  ),
  elu: pair(
    (call, of) => call('elu', of(x)),
    (call, of) => call('elu_backward', of(dy), 1, 1, 1, false, of(x)),
  ),
  celu: pair(
    (call, of) => call('celu', of(x), 1),
    (call, of) => call('elu_backward', of(dy), 1, 1, 1, false, of(x)),
  ),
  swish: pair(
    (call, of) => call('silu', of(x)),
    (call, of) => call('silu_backward', of(dy), of(x)),
  ),
  prelu: pair(
    (call, of) => call('_prelu_kernel', of(x), call('full', [1, 1], 0.25)),
    (call, of) => {
      const [byX, byWeight] = call.tuple('_prelu_kernel_backward', of(dy), of(x), call('full', [1, 1], 0.25));
      return [byX, call('sum', byWeight)];
    },
  ),
};
const NOISY = new Set(['rpau', 'rrelu']);
const NAMES = [
  'pau',
  'pau channel',
  'pau [7/6]',
  'pau [10/10]',
  'rpau',
  'relu',
  'relu6',
  'lrelu',
  'rrelu',
  'prelu',
  'elu',
  'celu',
  'swish',
  'maxout',
  'mixture',
  'slaf',
  'apl',
  'srelu',
];
const unknown = positionals.filter(name => !NAMES.includes(name));
if (unknown.length > 0)
  throw new Error(`bench-activations: no ${unknown.join(', ')}; there are ${NAMES.join(', ')}`);
const CHOICES = {
  'pau channel': { name: 'pau', shared: 'channel' },
  'pau [7/6]': { name: 'pau', order: [7, 6] },
  'pau [10/10]': {
    name: 'pau',
    order: [10, 10],
    init: { numerator: Array(11).fill(0.1), denominator: Array(10).fill(0.1) },
  },
};

/** An activation's layer as a training step runs it: forward alone, and backward as the tape has it less forward. */
function sides(name) {
  const layer = activationOf(CHOICES[name] ?? name).layer(name.replaceAll(/\W/g, '_'));
  const training = NOISY.has(name);
  const apply = input => layer.apply(input, { training });
  apply(tf.zeros([1, channels])).dispose();
  const seed = name === 'maxout' ? tf.slice(dy, [0, 0], [-1, channels / 2]).clone() : dy;
  const variables = layer.trainableWeights.map(weight => weight.read());
  return {
    forward: () => apply(x).dispose(),
    // The coefficients are differentiated too, as in training.
    both: () => {
      const step = input =>
        tf.customGrad(_given => ({ value: tf.scalar(0), gradFunc: () => seed }))(apply(input));
      tf.tidy(() => {
        const variable = tf.variable(x);
        const { value, grads } = tf.variableGrads(() => step(variable), [variable, ...variables]);
        tf.dispose([value, grads]);
        variable.dispose();
      });
    },
  };
}

const A = tf.tensor1d([0.033582615, 0.505000094, 1.65131516, 2.00451688, 0.927935914, 0.151537372]);
const B = tf.tensor1d([9.16046984e-7, 3.96933909, 6.65119637e-7, 0.300073894]);

/** The fused gradient of the operator alone: what `pade`'s backward costs, coefficient gradients included. */
const operators = {
  pau: pair(
    (call, of) => call('pade::forward', of(x), of(A), of(B), 'absolute-sum', 1),
    (call, of) => call.tuple('pade::backward', of(dy), of(x), of(A), of(B), 'absolute-sum', 1),
  ),
};

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];
const timed = body => {
  const began = now();
  body();
  return now() - began;
};

/** Medians of [forward, forward and backward] of each side, turn by turn. */
function race(contestants) {
  const times = contestants.map(() => ({ forward: [], backward: [] }));
  for (let round = 0; round < rounds + WARMUP; round++) {
    contestants.forEach((side, i) => {
      const forward = timed(side.forward);
      const backward = side.both ? timed(side.both) - forward : timed(side.backward);
      if (round < WARMUP) return;
      times[i].forward.push(forward);
      times[i].backward.push(backward);
    });
  }
  return times.map(({ forward, backward }) => ({ forward: median(forward), backward: median(backward) }));
}

const rows = (positionals.length > 0 ? positionals : NAMES).map(name => {
  const contestants = [relu, sides(name), PYTORCH[name], operators[name]].filter(Boolean);
  const [base, ours, ...others] = race(contestants);
  const ratio = ({ forward, backward }) => ({
    forward: forward / base.forward,
    backward: backward / base.backward,
  });
  return {
    name,
    ms: ours,
    toRelu: ratio(ours),
    ...(PYTORCH[name] && { pytorchToRelu: ratio(others[0]) }),
    ...(operators[name] && { operatorToRelu: ratio(others.at(-1)) }),
  };
});

const machine = `${cpus()[0]?.model.trim()}, ${platform()} ${release()}, Node ${process.version}, ${engine.describe()}`;
if (options.json) {
  console.log(
    JSON.stringify({ machine, elements: shape[0] * channels, rounds, threads, clock: options.clock, rows }),
  );
} else {
  console.log(
    `${machine}; ${(elements / 1e6).toFixed(1)} M float32, ${channels} channels, ${rounds} rounds, ${options.clock} time`,
  );
  console.log(
    '| activation | forward ms | backward ms | forward / relu | backward / relu | PyTorch forward / relu | PyTorch backward / relu |',
  );
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  const two = value => (value === undefined ? '' : value.toFixed(2));
  for (const { name, ms, toRelu, pytorchToRelu, operatorToRelu } of rows) {
    const cells = [
      ms.forward,
      ms.backward,
      toRelu.forward,
      toRelu.backward,
      pytorchToRelu?.forward,
      pytorchToRelu?.backward,
    ];
    console.log(`| ${name} | ${cells.map(two).join(' | ')} |`);
    if (operatorToRelu) {
      const { forward, backward } = operatorToRelu;
      console.log(`| ${name}, operator alone | | | ${two(forward)} | ${two(backward)} | | |`);
    }
  }
}
