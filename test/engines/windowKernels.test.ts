/** Kernels whose windows slide over images: convolutions, pooling, and what belongs to them. */
import { tf } from '../../src/index.js';
import { uniform } from '../../src/random.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { add, addWithGradients, numbers, random, testCases } from './againstCpu.js';

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

testCases();

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

for (const { size, kernel, pad, rounding } of [
  { size: 7, kernel: 2, pad: 0, rounding: 'ceil' },
  { size: 8, kernel: 3, pad: 1, rounding: 'ceil' },
  { size: 8, kernel: 3, pad: 1, rounding: 'round' },
  { size: 40, kernel: 3, pad: 0, rounding: 'ceil' },
] as const) {
  torchTest(
    `a window that ${rounding} adds at the end has its gradients: ${size} by ${kernel}, pad ${pad}`,
    async t => {
      await tf.setBackend('torch');
      const [x, filter] = [
        tf.tensor4d(uniform(new Float32Array(2 * size * size * 2), { low: -1, high: 1 }, 5), [
          2,
          size,
          size,
          2,
        ]),
        tf.tensor4d(uniform(new Float32Array(kernel * kernel * 6), { low: -1, high: 1 }, 6), [
          kernel,
          kernel,
          2,
          3,
        ]),
      ];
      const squares = (y: tf.Tensor) => tf.sum(tf.square(y)) as tf.Scalar;
      const rounded = tf.grads((a, b) =>
        squares(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 2, pad, 'NHWC', 1, rounding)),
      )([x, filter]);
      // The window's missing row and column are zeros.
      const ends: [number, number] = [pad, pad + 1];
      const byHand = tf.grads((a, b) =>
        squares(
          tf.conv2d(tf.pad(a, [[0, 0], ends, ends, [0, 0]]) as tf.Tensor4D, b as tf.Tensor4D, 2, 'valid'),
        ),
      )([x, filter]);
      rounded.forEach((gradient, i) => {
        within(t, ['dx', 'dfilter'][i]!, gradient.dataSync(), byHand[i]!.dataSync(), {
          tolerance: 1e-5,
          scale: 1,
        });
      });
    },
  );
}

torchTest('rounding that adds a window along one axis and none along the other has gradients', async t => {
  await tf.setBackend('torch');
  const [x, filter] = [tf.ones([2, 7, 8, 2]) as tf.Tensor4D, tf.ones([3, 3, 2, 3]) as tf.Tensor4D];
  const gradients = (convolved: (image: tf.Tensor4D, filter: tf.Tensor4D) => tf.Tensor) =>
    tf.grads((a, b) => tf.sum(convolved(a as tf.Tensor4D, b as tf.Tensor4D)))([x, filter]);
  const rounded = gradients((a, b) => tf.conv2d(a, b, 3, 0, 'NHWC', 1, 'round'));
  const byHand = gradients((a, b) =>
    tf.conv2d(
      tf.pad(a, [
        [0, 0],
        [0, 0],
        [0, 1],
        [0, 0],
      ]) as tf.Tensor4D,
      b,
      3,
      'valid',
    ),
  );
  rounded.forEach((gradient, i) => {
    t.deepEqual([...gradient.dataSync()], [...byHand[i]!.dataSync()]);
  });
});
