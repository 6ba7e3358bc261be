import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers'; // registers tfjs's gradients
import type { ExecutionContext } from 'ava';
import { uniform } from '../../src/random.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';

/**
 * Every kernel against tfjs's own cpu backend: plain JavaScript, written by other people. Relative to the largest finite
 * element of each result.
 */
const TOLERANCE = 1e-5;

type Operation = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

interface Input {
  readonly values: tf.TypedArray | number[];
  readonly shape: number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
}

interface Case {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly operation: Operation;
  /** Compare the gradients by all inputs as well. */
  readonly gradients: 'compared' | 'none';
}

const cases: Case[] = [];

function add(name: string, inputs: readonly Input[], operation: Operation): void {
  cases.push({ name, inputs, operation, gradients: 'none' });
}

function addWithGradients(name: string, inputs: readonly Input[], operation: Operation): void {
  cases.push({ name, inputs, operation, gradients: 'compared' });
}

let draws = 0;
function random(shape: number[], low = -2, high = 2): Input {
  const values = uniform(new Float32Array(tf.util.sizeFromShape(shape)), { low, high }, 11, 'input', draws++);
  return { values, shape, dtype: 'float32' };
}

function whole(values: number[], shape: number[] = [values.length]): Input {
  return { values, shape, dtype: 'int32' };
}

function truth(values: number[], shape: number[] = [values.length]): Input {
  return { values, shape, dtype: 'bool' };
}

function numbers(...values: number[]): Input {
  return { values, shape: [values.length], dtype: 'float32' };
}

const EXTREMES = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-30, 1e30, -1e30, Infinity, -Infinity, NaN];
const awkward = numbers(...EXTREMES);
/** Every pair of extremes. */
const pairs: [Input, Input] = [
  numbers(...EXTREMES.flatMap(a => EXTREMES.map(() => a))),
  numbers(...EXTREMES.flatMap(() => EXTREMES)),
];

// --- element by element ---

const UNARY = {
  abs: tf.abs,
  atan: tf.atan,
  asinh: tf.asinh,
  ceil: tf.ceil,
  cos: tf.cos,
  elu: tf.elu,
  erf: tf.erf,
  exp: tf.exp,
  expm1: tf.expm1,
  floor: tf.floor,
  neg: tf.neg,
  reciprocal: tf.reciprocal,
  relu: tf.relu,
  relu6: tf.relu6,
  round: tf.round,
  selu: tf.selu,
  sigmoid: tf.sigmoid,
  sign: tf.sign,
  sin: tf.sin,
  softplus: tf.softplus,
  square: tf.square,
  tan: tf.tan,
  tanh: tf.tanh,
} as const;
for (const [name, operation] of Object.entries(UNARY)) {
  addWithGradients(`${name} of random numbers`, [random([3, 7])], x => operation(x!));
}
const OF_POSITIVE = {
  acosh: tf.acosh,
  log: tf.log,
  log1p: tf.log1p,
  rsqrt: tf.rsqrt,
  sqrt: tf.sqrt,
} as const;
for (const [name, operation] of Object.entries(OF_POSITIVE)) {
  addWithGradients(`${name} of positive numbers`, [random([3, 7], 1.1, 5)], x => operation(x!));
}
const OF_FRACTIONS = { acos: tf.acos, asin: tf.asin, atanh: tf.atanh } as const;
for (const [name, operation] of Object.entries(OF_FRACTIONS)) {
  addWithGradients(`${name} of numbers between -1 and 1`, [random([3, 7], -0.9, 0.9)], x => operation(x!));
}
const OF_ANYTHING = {
  abs: tf.abs,
  ceil: tf.ceil,
  exp: tf.exp,
  floor: tf.floor,
  isFinite: tf.isFinite,
  isInf: tf.isInf,
  isNaN: tf.isNaN,
  log: tf.log,
  neg: tf.neg,
  relu: tf.relu,
  round: tf.round,
  sigmoid: tf.sigmoid,
  sqrt: tf.sqrt,
  square: tf.square,
  tanh: tf.tanh,
} as const;
for (const [name, operation] of Object.entries(OF_ANYTHING)) {
  add(`${name} of 0, -0, huge numbers, infinities and NaN`, [awkward], x => operation(x!));
}
addWithGradients('leakyRelu with a slope of 0.3', [random([3, 7])], x => tf.leakyRelu(x!, 0.3));
addWithGradients('prelu with a slope a channel', [random([2, 3, 4]), random([4])], (x, alpha) =>
  tf.prelu(x!, alpha!),
);
addWithGradients('clipByValue', [random([3, 7])], x => tf.clipByValue(x!, -0.5, 1));
add('step with a slope of 0.2', [random([9])], x => tf.step(x!, 0.2));
add('step of 0, -0, huge numbers, infinities and NaN', [awkward], x => [tf.step(x!), tf.step(x!, 0.2)]);
add('logicalNot', [truth([1, 0, 1])], x => tf.logicalNot(x!));
add('cast to int32 cuts toward 0', [numbers(1.9, -1.9, 0.5, -0.5)], x => tf.cast(x!, 'int32'));
add('cast to bool is whether it is not 0', [numbers(0, -0, 0.1, -3)], x => tf.cast(x!, 'bool'));
add('cast from int32 and bool', [whole([1, -2, 3]), truth([1, 0])], (a, b) => [
  tf.cast(a!, 'float32'),
  tf.cast(b!, 'float32'),
  tf.cast(b!, 'int32'),
]);

const BINARY = { add: tf.add, sub: tf.sub, mul: tf.mul, div: tf.div, atan2: tf.atan2 } as const;
/** tfjs's gradients of these do not reduce what was broadcast. */
const WITHOUT_BROADCAST_GRADIENTS = {
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
} as const;
for (const [name, operation] of Object.entries({ ...BINARY, ...WITHOUT_BROADCAST_GRADIENTS })) {
  const addBroadcast = name in BINARY ? addWithGradients : add;
  addWithGradients(`${name} of equal shapes`, [random([3, 4]), random([3, 4], 0.5, 2)], (a, b) =>
    operation(a!, b!),
  );
  addBroadcast(`${name} broadcasts [2, 1, 4] and [3, 1]`, [random([2, 1, 4]), random([3, 1])], (a, b) =>
    operation(a!, b!),
  );
  addBroadcast(`${name} broadcasts a scalar`, [random([]), random([2, 3])], (a, b) => operation(a!, b!));
}
for (const [name, operation] of Object.entries({ add: tf.add, sub: tf.sub, mul: tf.mul, div: tf.div })) {
  add(`${name} of every pair of 0, -0, huge numbers, infinities and NaN`, pairs, (a, b) => operation(a!, b!));
}
addWithGradients('pow', [random([3, 4], 0.2, 2), random([4])], (a, b) => tf.pow(a!, b!));
add(
  'floorDiv rounds down',
  [numbers(7, -7, 7, -7), numbers(2, 2, -2, -2)],
  (a, b) => tf.cast(tf.floorDiv(a!, b!), 'float32'), // tfjs's backends do not agree on its dtype
);
add('mod has the sign of the divisor', [numbers(7, -7, 7, -7), numbers(3, 3, -3, -3)], (a, b) =>
  tf.mod(a!, b!),
);
add('whole numbers stay whole', [whole([7, -7, 9]), whole([2, 2, -4])], (a, b) => [
  tf.add(a!, b!),
  tf.mul(a!, b!),
  tf.sub(a!, b!),
  tf.floorDiv(a!, b!),
  tf.maximum(a!, b!),
]);
const COMPARISONS = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
} as const;
for (const [name, operation] of Object.entries(COMPARISONS)) {
  add(`${name} of every pair of 0, -0, huge numbers, infinities and NaN`, pairs, (a, b) => operation(a!, b!));
  add(`${name} broadcasts`, [whole([1, 2, 3], [3, 1]), whole([1, 2, 3], [1, 3])], (a, b) =>
    operation(a!, b!),
  );
}
add('logicalAnd and logicalOr', [truth([0, 0, 1, 1]), truth([0, 1, 0, 1])], (a, b) => [
  tf.logicalAnd(a!, b!),
  tf.logicalOr(a!, b!),
]);
add('where', [truth([0, 1, 1, 0], [2, 2]), random([2, 2]), random([2, 2])], (condition, a, b) =>
  tf.where(condition!, a!, b!),
);
addWithGradients('addN', [random([2, 3]), random([2, 3]), random([2, 3])], (...list) => tf.addN(list));
add('zerosLike and onesLike', [random([2, 3]), whole([1, 2])], (a, b) => [tf.zerosLike(a!), tf.onesLike(b!)]);

// --- reductions ---

const AXES: (number | number[] | undefined)[] = [
  undefined,
  0,
  1,
  2,
  -1,
  [0, 1],
  [1, 2],
  [0, 2],
  [-1, -3],
  [0, 1, 2],
];
const REDUCTIONS = { sum: tf.sum, mean: tf.mean, max: tf.max, min: tf.min, prod: tf.prod } as const;
for (const [name, operation] of Object.entries(REDUCTIONS)) {
  for (const axis of AXES) {
    for (const keepDims of [false, true]) {
      const title = `${name} over ${axis === undefined ? 'everything' : `axis ${axis}`}${keepDims ? ', kept as 1' : ''}`;
      // tfjs's gradient of prod needs its chained operators, which are not loaded.
      (name === 'prod' ? add : addWithGradients)(title, [random([2, 3, 4])], x =>
        operation(x!, axis, keepDims),
      );
    }
  }
}
for (const axis of AXES) {
  add(
    `all and any over ${axis === undefined ? 'everything' : `axis ${axis}`}`,
    [truth([0, 1, 1, 1, 0, 0, 1, 1], [2, 2, 2])],
    x => [tf.all(x!, axis), tf.any(x!, axis)],
  );
}
for (const axis of [0, 1, -1]) {
  add(`argMax and argMin along axis ${axis}, the first of equals`, [numbers(3, 3, 1, 1, 2, 2)], flat => {
    const x = tf.reshape(flat!, [2, 3]);
    return [tf.argMax(x, axis), tf.argMin(x, axis)];
  });
}
add('cumsum along axis 0', [random([3, 4])], x => tf.cumsum(x!, 0));
addWithGradients('cumsum along axis 1', [random([3, 4])], x => tf.cumsum(x!, 1));
add('cumsum, exclusive and backward', [random([3, 4])], x => [
  tf.cumsum(x!, 1, true, false),
  tf.cumsum(x!, 1, false, true),
  tf.cumsum(x!, 0, true, true),
]);
addWithGradients('softmax', [random([3, 5], -20, 20)], x => tf.softmax(x!));
addWithGradients('logSoftmax', [random([3, 5], -20, 20)], x => tf.logSoftmax(x!));
addWithGradients('logSumExp', [random([3, 5], -20, 20)], x => tf.logSumExp(x!, 1));
add('sum of whole numbers is whole', [whole([1, 2, 3, 4], [2, 2])], x => tf.sum(x!, 0));
add('mean of whole numbers is a fraction', [whole([1, 2, 3, 5], [2, 2])], x => tf.mean(x!, 0));
add('reductions over an axis of no elements', [random([3, 0])], x => [tf.sum(x!, 1), tf.prod(x!, 1)]);

// --- shapes ---

addWithGradients('reshape', [random([2, 3, 4])], x => tf.reshape(x!, [4, -1]));
addWithGradients('reshape of a transposed tensor', [random([2, 3, 4])], x =>
  tf.reshape(tf.transpose(x!), [6, 4]),
);
for (const permutation of [
  [0, 2, 1],
  [2, 0, 1],
  [2, 1, 0],
]) {
  addWithGradients(`transpose to ${permutation}`, [random([2, 3, 4])], x => tf.transpose(x!, permutation));
}
addWithGradients('slice', [random([3, 4, 5])], x => tf.slice(x!, [1, 0, 2], [2, 3, -1]));
add('slice of nothing', [random([3, 4])], x => tf.slice(x!, [1, 0], [0, 4]));
add('stridedSlice', [random([5, 6])], x => tf.stridedSlice(x!, [4, 0], [0, 6], [-2, 2]));
addWithGradients('concat along axis 0', [random([2, 3]), random([4, 3])], (a, b) => tf.concat([a!, b!], 0));
addWithGradients('concat along axis -1 with an empty one', [random([2, 3]), random([2, 0])], (a, b) =>
  tf.concat([a!, b!], -1),
);
addWithGradients('pad', [random([2, 3])], x =>
  tf.pad(
    x!,
    [
      [1, 2],
      [0, 3],
    ],
    0.5,
  ),
);
addWithGradients('tile', [random([2, 3])], x => tf.tile(x!, [2, 3]));
addWithGradients('reverse', [random([2, 3, 4])], x => tf.reverse(x!, [0, 2]));
addWithGradients('split into equal parts', [random([2, 6])], x => tf.split(x!, 3, 1));
addWithGradients('split into given sizes', [random([2, 6])], x => tf.split(x!, [1, 2, 3], 1));
addWithGradients('stack', [random([2, 3]), random([2, 3])], (a, b) => tf.stack([a!, b!], 1));
addWithGradients('unstack', [random([2, 3, 2])], x => tf.unstack(x!, 1));
add('unstack into 200 parts', [random([200, 3])], x => tf.unstack(x!));
addWithGradients('expandDims and squeeze', [random([2, 3])], x => tf.squeeze(tf.expandDims(x!, 1)));
addWithGradients('broadcastTo', [random([3, 1])], x => tf.broadcastTo(x!, [2, 3, 4]));
addWithGradients('gather along axis 1', [random([3, 4])], x =>
  tf.gather(x!, tf.tensor1d([3, 0, 0], 'int32'), 1),
);
add('gather with a matrix of indices', [random([3, 4]), whole([2, 0, 1, 1], [2, 2])], (x, indices) =>
  tf.gather(x!, indices as tf.Tensor1D, 0),
);
add('gather with a batch axis', [random([2, 3, 4]), whole([2, 0, 1, 1], [2, 2])], (x, indices) =>
  tf.gather(x!, indices as tf.Tensor1D, 1, 1),
);
add('oneHot', [whole([0, 2, 1, -1, 5], [5])], indices => tf.oneHot(indices!, 3, 5, -5));
add('oneHot of a matrix', [whole([0, 2, 1, 2], [2, 2])], indices => tf.oneHot(indices!, 3));
add('fill and range', [], () => [
  tf.fill([2, 3], 0.1),
  tf.fill([2], 7, 'int32'),
  tf.range(0, 5, 2),
  tf.range(5, 0, -2, 'int32'),
  tf.linspace(0, 1, 5),
]);

// --- matrix products ---

for (const transposeA of [false, true]) {
  for (const transposeB of [false, true]) {
    const a = random(transposeA ? [2, 4, 3] : [2, 3, 4]);
    const b = random(transposeB ? [2, 5, 4] : [2, 4, 5]);
    addWithGradients(`matMul with transposes ${transposeA}, ${transposeB}`, [a, b], (x, y) =>
      tf.matMul(x!, y!, transposeA, transposeB),
    );
  }
}
addWithGradients('matMul of matrices', [random([3, 4]), random([4, 2])], (a, b) => tf.matMul(a!, b!));
addWithGradients('dot', [random([3, 4]), random([4])], (a, b) => tf.dot(a!, b!));
for (const activation of ['relu', 'elu', 'sigmoid', 'relu6'] as const) {
  addWithGradients(
    `a fused matMul with bias and ${activation}`,
    [random([3, 4]), random([4, 2]), random([2])],
    (a, b, bias) => tf.fused.matMul({ a: a!, b: b!, bias: bias!, activation }),
  );
}

// --- convolutions and pooling ---

type Padding = 'same' | 'valid' | number;
const CONVOLUTIONS: {
  size: [number, number];
  kernel: number;
  stride: number;
  pad: Padding;
  dilation: number;
}[] = [
  { size: [7, 6], kernel: 3, stride: 1, pad: 'valid', dilation: 1 },
  { size: [7, 6], kernel: 3, stride: 1, pad: 'same', dilation: 1 },
  { size: [6, 7], kernel: 3, stride: 2, pad: 'same', dilation: 1 }, // asymmetric in one direction only
  { size: [8, 8], kernel: 5, stride: 3, pad: 'same', dilation: 1 },
  { size: [6, 6], kernel: 2, stride: 1, pad: 'same', dilation: 1 }, // asymmetric in both
  { size: [7, 7], kernel: 3, stride: 2, pad: 1, dilation: 1 },
  { size: [7, 8], kernel: 1, stride: 2, pad: 'same', dilation: 1 }, // stride beyond the kernel
  { size: [9, 8], kernel: 3, stride: 1, pad: 'valid', dilation: 2 },
  { size: [8, 7], kernel: 2, stride: 1, pad: 'same', dilation: 3 },
];
for (const { size, kernel, stride, pad, dilation } of CONVOLUTIONS) {
  const title = `${size.join(' x ')} with ${kernel} x ${kernel}, stride ${stride}, pad ${pad}, dilation ${dilation}`;
  const addConvolution = dilation === 1 ? addWithGradients : add; // tfjs refuses gradients of dilated ones
  addConvolution(
    `conv2d of ${title}`,
    [random([2, ...size, 3]), random([kernel, kernel, 3, 4])],
    (x, filter) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, pad, 'NHWC', dilation),
  );
  addConvolution(
    `depthwiseConv2d of ${title}`,
    [random([2, ...size, 3]), random([kernel, kernel, 3, 2])],
    (x, filter) => tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, pad, 'NHWC', dilation),
  );
}
addWithGradients(
  'conv2d with padding given side by side',
  [random([1, 5, 6, 2]), random([3, 3, 2, 2])],
  (x, filter) =>
    tf.conv2d(
      x as tf.Tensor4D,
      filter as tf.Tensor4D,
      1,
      [
        [0, 0],
        [1, 0],
        [2, 1],
        [0, 0],
      ] as never,
      'NHWC',
    ),
);
addWithGradients('conv2dTranspose with stride 2', [random([2, 3, 3, 4]), random([3, 3, 2, 4])], (x, filter) =>
  tf.conv2dTranspose(x as tf.Tensor4D, filter as tf.Tensor4D, [2, 6, 6, 2], 2, 'same'),
);
addWithGradients(
  'separableConv2d',
  [random([1, 6, 6, 2]), random([3, 3, 2, 2]), random([1, 1, 4, 3])],
  (x, depthwise, pointwise) =>
    tf.separableConv2d(x as tf.Tensor4D, depthwise as tf.Tensor4D, pointwise as tf.Tensor4D, 1, 'same'),
);
for (const activation of ['relu', 'elu', 'sigmoid'] as const) {
  add(
    `a fused conv2d with bias and ${activation}`,
    [random([2, 6, 6, 3]), random([3, 3, 3, 4]), random([4])],
    (x, filter, bias) =>
      tf.fused.conv2d({
        x: x as tf.Tensor4D,
        filter: filter as tf.Tensor4D,
        bias: bias!,
        strides: 1,
        pad: 'same',
        activation,
      }),
  );
}
const POOLS: { size: [number, number]; window: number; stride: number; pad: Padding }[] = [
  { size: [6, 8], window: 2, stride: 2, pad: 'valid' },
  { size: [7, 5], window: 2, stride: 2, pad: 'valid' }, // a last row and column that no window reaches
  { size: [7, 5], window: 2, stride: 2, pad: 'same' },
  { size: [7, 6], window: 3, stride: 1, pad: 'same' },
  { size: [7, 6], window: 3, stride: 2, pad: 'valid' },
  { size: [6, 6], window: 3, stride: 2, pad: 1 },
  { size: [9, 9], window: 3, stride: 3, pad: 'valid' },
];
for (const { size, window, stride, pad } of POOLS) {
  const title = `${size.join(' x ')} by ${window} x ${window}, stride ${stride}, pad ${pad}`;
  addWithGradients(`maxPool of ${title}`, [random([2, ...size, 3])], x =>
    tf.maxPool(x as tf.Tensor4D, window, stride, pad),
  );
  // The cpu backend's gradient divides by the whole window at the border, where its forward does not.
  const reachesOver = pad === 1 || pad === 'same';
  (reachesOver ? add : addWithGradients)(`avgPool of ${title}`, [random([2, ...size, 3])], x =>
    tf.avgPool(x as tf.Tensor4D, window, stride, pad),
  );
}
addWithGradients('maxPool of a transposed tensor', [random([3, 6, 6, 2])], x =>
  tf.maxPool(tf.transpose(x as tf.Tensor4D, [3, 1, 2, 0]) as tf.Tensor4D, 2, 2, 'valid'),
);
addWithGradients(
  'maxPool of equal elements sends the gradient to the first',
  [numbers(...new Array(32).fill(1))],
  x => tf.maxPool(tf.reshape(x!, [1, 4, 4, 2]) as tf.Tensor4D, 2, 2, 'valid'),
);
addWithGradients(
  'batchNorm with given statistics',
  [random([2, 3, 3, 4]), random([4]), random([4], 0.5, 2), random([4]), random([4])],
  (x, mean, variance, offset, scale) =>
    tf.batchNorm(
      x as tf.Tensor4D,
      mean as tf.Tensor1D,
      variance as tf.Tensor1D,
      offset as tf.Tensor1D,
      scale as tf.Tensor1D,
    ),
);
addWithGradients('moments', [random([4, 3, 2])], x => {
  const { mean, variance } = tf.moments(x!, [0, 1]);
  return [mean, variance];
});

// --- running them ---

interface Outcome {
  readonly shape: number[];
  readonly dtype: string;
  readonly values: ArrayLike<number>;
}

function outcome(tensor: tf.Tensor): Outcome {
  return { shape: tensor.shape, dtype: tensor.dtype, values: tensor.dataSync() };
}

function listed(result: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
  return Array.isArray(result) ? result : [result];
}

async function runOn(backend: string, { inputs, operation, gradients }: Case): Promise<Outcome[]> {
  await tf.setBackend(backend);
  const scope = tf.engine();
  scope.startScope();
  try {
    const tensors = inputs.map(({ values, shape, dtype }) => tf.tensor(values, shape, dtype));
    const results = listed(operation(...tensors));
    if (gradients === 'none') return results.map(outcome);
    const weighted = (...given: tf.Tensor[]) =>
      tf.addN(
        listed(operation(...given)).map((y, i) => {
          const weights = uniform(new Float32Array(y.size), { low: -1, high: 1 }, 12, 'weights', i);
          return tf.sum(tf.mul(y, tf.tensor(weights, y.shape)));
        }),
      );
    return [...results, ...tf.grads(weighted)(tensors)].map(outcome);
  } finally {
    scope.endScope();
  }
}

function compare(t: ExecutionContext, index: number, actual: Outcome, expected: Outcome): void {
  t.deepEqual(actual.shape, expected.shape, `shape of result ${index}`);
  t.is(actual.dtype, expected.dtype, `dtype of result ${index}`);
  const finite: number[] = [];
  const wanted: number[] = [];
  let most = 0;
  Array.from(expected.values).forEach((value, i) => {
    if (!Number.isFinite(value)) {
      t.is(actual.values[i], value, `result ${index}[${i}]`);
      return;
    }
    finite.push(actual.values[i]!);
    wanted.push(value);
    // A huge element must not hide the others.
    if (Math.abs(value) < 1e10) most = Math.max(most, Math.abs(value));
  });
  const scale = wanted.map(value => Math.max(most, Math.abs(value)));
  within(t, `result ${index}`, finite, wanted, { tolerance: TOLERANCE, scale });
}

for (const each of cases) {
  const title = `${each.name}: the cpu backend's result${each.gradients === 'compared' ? ' and gradients' : ''}`;
  torchTest(title, async t => {
    const expected = await runOn('cpu', each);
    const actual = await runOn('torch', each);
    t.is(actual.length, expected.length);
    actual.forEach((result, i) => {
      compare(t, i, result, expected[i]!);
    });
  });
}

torchTest('matMul broadcasts batch axes: the product of what is broadcast by hand', async t => {
  await tf.setBackend('torch');
  const [a, b] = [random([2, 1, 3, 4]), random([5, 4, 2])].map(({ values, shape }) =>
    tf.tensor(values, shape),
  );
  const byHand = tf.matMul(tf.broadcastTo(a!, [2, 5, 3, 4]), tf.broadcastTo(b!, [2, 5, 4, 2]));
  t.deepEqual(tf.matMul(a!, b!).shape, [2, 5, 3, 2]);
  within(t, 'product', tf.matMul(a!, b!).dataSync(), byHand.dataSync(), { tolerance: 1e-6, scale: 10 });
});

for (const { size, window, stride, pad } of POOLS) {
  torchTest(
    `the gradient of avgPool is its transpose: ${size.join(' x ')} by ${window}, stride ${stride}, pad ${pad}`,
    async t => {
      await tf.setBackend('torch');
      const pool = (x: tf.Tensor) => tf.avgPool(x as tf.Tensor4D, window, stride, pad);
      const count = size[0] * size[1];
      const images = tf.reshape(tf.eye(count), [count, ...size, 1]); // every image is one pixel
      const answers = pool(images);
      const weights = uniform(new Float32Array(answers.size / count), { low: -1, high: 1 }, 13);
      const weighed = tf.mul(answers, tf.tensor(weights, [1, ...answers.shape.slice(1)]));
      const expected = tf.sum(weighed, [1, 2, 3]).dataSync();
      const dy = tf.tensor(weights, [1, ...answers.shape.slice(1)]);
      const dx = tf.grad(pool)(tf.zeros([1, ...size, 1]), dy);
      within(t, 'dx', dx.dataSync(), expected, { tolerance: 1e-6, scale: 1 });
    },
  );
}
