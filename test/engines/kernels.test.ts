import { tf } from '../../src/index.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { add, addWithGradients, type Input, numbers, random, testCases, truth, whole } from './againstCpu.js';

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

testCases();

torchTest('matMul broadcasts batch axes: the product of what is broadcast by hand', async t => {
  await tf.setBackend('torch');
  const [a, b] = [random([2, 1, 3, 4]), random([5, 4, 2])].map(({ values, shape }) =>
    tf.tensor(values, shape),
  );
  const byHand = tf.matMul(tf.broadcastTo(a!, [2, 5, 3, 4]), tf.broadcastTo(b!, [2, 5, 4, 2]));
  t.deepEqual(tf.matMul(a!, b!).shape, [2, 5, 3, 2]);
  within(t, 'product', tf.matMul(a!, b!).dataSync(), byHand.dataSync(), { tolerance: 1e-6, scale: 10 });
});
