/** Convolutions that are products of matrices, and depthwise ones, against tfjs's cpu backend. */
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import { engine, tf } from '../../src/index.js';
import { largest, within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { noise } from '../support/fixture.js';

interface Geometry {
  readonly image: [number, number, number, number];
  /** height, width, in, out; of a depthwise one, out is the multiplier */
  readonly filter: [number, number, number, number];
  readonly stride?: number | [number, number];
  readonly pad?:
    | 'same'
    | 'valid'
    | number
    | [[number, number], [number, number], [number, number], [number, number]];
  readonly dilation?: number | [number, number];
  readonly depthwise?: true;
}

const uneven: Geometry['pad'] = [
  [0, 0],
  [2, 1],
  [0, 3],
  [0, 0],
];

const GEOMETRIES: Record<string, Geometry> = {
  'one pixel wide': { image: [2, 5, 3, 7], filter: [1, 1, 7, 3] },
  'one pixel wide, stride 2': { image: [2, 5, 4, 7], filter: [1, 1, 7, 3], stride: 2 },
  'one pixel wide, padded': { image: [1, 3, 3, 2], filter: [1, 1, 2, 5], pad: 1 },
  'one pixel wide, padded behind it, stride 2': {
    image: [1, 3, 3, 4],
    filter: [1, 1, 4, 3],
    stride: 2,
    pad: [
      [0, 0],
      [0, 3],
      [0, 3],
      [0, 0],
    ],
  },
  '3x3 on 8x8 pixels': { image: [2, 8, 8, 5], filter: [3, 3, 5, 4], pad: 'same' },
  '3x3 on 2x2 pixels': { image: [3, 2, 2, 5], filter: [3, 3, 5, 4], pad: 'same' },
  '3x3 on 4x4 pixels': { image: [2, 4, 4, 17], filter: [3, 3, 17, 6], pad: 'same' },
  '3x3, stride 2, even image': { image: [2, 8, 8, 3], filter: [3, 3, 3, 4], stride: 2, pad: 'same' },
  '3x3, stride 2, odd image, uneven padding': {
    image: [2, 7, 5, 3],
    filter: [3, 3, 3, 4],
    stride: 2,
    pad: uneven,
  },
  'strides of their own': { image: [1, 9, 6, 3], filter: [3, 2, 3, 4], stride: [3, 2] },
  'a stride beyond the filter': { image: [2, 9, 9, 3], filter: [2, 2, 3, 4], stride: 4 },
  'holes in the filter': { image: [2, 7, 6, 3], filter: [3, 3, 3, 4], dilation: [2, 1], pad: 'same' },
  'the whole image': { image: [5, 5, 5, 16], filter: [5, 5, 16, 12] },
  'as large as the image, padded behind it': { image: [2, 2, 2, 3], filter: [2, 2, 3, 2], pad: 'same' },
  'the whole image but a rim': { image: [2, 3, 3, 2], filter: [5, 5, 2, 3], pad: 1 },
  'a single number': { image: [1, 1, 1, 1], filter: [1, 1, 1, 1] },
  depthwise: { image: [2, 6, 9, 130], filter: [3, 3, 130, 1], pad: 'same', depthwise: true },
  'depthwise, stride 2': {
    image: [2, 8, 7, 19],
    filter: [3, 3, 19, 1],
    stride: 2,
    pad: 'same',
    depthwise: true,
  },
  'depthwise, uneven padding': {
    image: [1, 6, 9, 3],
    filter: [3, 3, 3, 1],
    stride: [2, 2],
    pad: uneven,
    depthwise: true,
  },
  'depthwise, stride 2, a rest that no window reaches': {
    image: [2, 8, 6, 4],
    filter: [3, 3, 4, 1],
    stride: 2,
    depthwise: true,
  },
  'depthwise, stride 3, wide': {
    image: [2, 7, 7, 130],
    filter: [5, 3, 130, 1],
    stride: 3,
    pad: 2,
    depthwise: true,
  },
};

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

/** Result, and gradients for image and filter of a weighted sum of it, on the engine that is set. */
function results({
  image,
  filter,
  stride = 1,
  pad = 'valid',
  dilation = 1,
  depthwise,
}: Geometry): Float32Array[] {
  return tf.tidy(() => {
    const x = tf.tensor4d(noise(size(image), 1, 1), image);
    const w = tf.tensor4d(noise(size(filter), 1, 2), filter);
    const convolve = (input: tf.Tensor, weights: tf.Tensor) =>
      depthwise
        ? tf.depthwiseConv2d(
            input as tf.Tensor4D,
            weights as tf.Tensor4D,
            stride,
            pad as 'valid',
            'NHWC',
            dilation,
          )
        : tf.conv2d(input as tf.Tensor4D, weights as tf.Tensor4D, stride, pad as 'valid', 'NHWC', dilation);
    const y = convolve(x, w);
    const read = (tensors: tf.Tensor[]) =>
      tensors.map(tensor => tf.cast(tensor, 'float32').dataSync() as Float32Array);
    if (dilation !== 1) return read([y]); // whose gradients tfjs refuses
    const weights = tf.tensor4d(noise(y.size, 1, 3), y.shape as [number, number, number, number]);
    const gradients = tf.grads((input: tf.Tensor, own: tf.Tensor) =>
      tf.sum(tf.mul(convolve(input, own), weights)),
    )([x, w]);
    return read([y, ...gradients]);
  });
}

const NAMES = ['result', 'gradient for the image', 'gradient for the filter'];
const NEAR = { fp32: 1e-5, bf16: 0.02 } as const;

test.afterEach.always(async () => {
  await engine.use('torch', { precision: 'fp32' });
});

for (const precision of ['fp32', 'bf16'] as const) {
  for (const [name, geometry] of Object.entries(GEOMETRIES)) {
    torchTest(`${name}: tfjs's cpu backend agrees (${precision})`, async t => {
      await engine.use('torch', { precision });
      const found = results(geometry);
      await engine.use('cpu');
      const expected = results(geometry);
      found.forEach((values, i) => {
        within(t, `${NAMES[i]} `, values, expected[i]!, {
          tolerance: NEAR[precision],
          scale: largest(expected[i]!),
        });
      });
    });
  }
}

torchTest('the gradients of a depthwise convolution are the same for any number of threads', async t => {
  const geometry: Geometry = { image: [8, 9, 9, 64], filter: [3, 3, 64, 1], pad: 'same', depthwise: true };
  await engine.use('torch', { threads: 1 });
  const [, ...alone] = results(geometry);
  await engine.use('torch', { threads: 2 });
  const [, ...together] = results(geometry);
  for (const [i, gradient] of together.entries())
    t.true(
      gradient.every((value, at) => Object.is(value, alone[i]![at])),
      NAMES[i + 1],
    );
});

torchTest('a bias of one number is added to every channel, of small images and large ones', async t => {
  for (const side of [3, 9]) {
    const y = tf.tidy(() =>
      tf.fused.conv2d({
        x: tf.zeros<tf.Rank.R4>([1, side, side, 2]),
        filter: tf.zeros<tf.Rank.R4>([3, 3, 2, 3]),
        strides: 1,
        pad: 'same',
        bias: tf.tensor1d([1.5]),
      }),
    );
    t.true(y.dataSync().every(value => value === 1.5));
  }
});
