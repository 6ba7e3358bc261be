import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { PaddedConv2D, PaddedDepthwiseConv2D, PaddedMaxPooling2D } from '../../src/layers/padded.js';
import '../support/engine.js';

/** An 4x4 image of 1 to 16. */
const image = () =>
  tf.tensor4d(
    Array.from({ length: 16 }, (_, i) => i + 1),
    [1, 4, 4, 1],
  );

test('a 3x3 sum at stride 2 and pad 1 starts outside the image, as in PyTorch', t => {
  const args = { kernelSize: 3, strides: 2, pad: 1, useBias: false };
  const sums = [
    1 + 2 + 5 + 6,
    2 + 3 + 4 + 6 + 7 + 8,
    5 + 6 + 9 + 10 + 13 + 14,
    6 + 7 + 8 + 10 + 11 + 12 + 14 + 15 + 16,
  ];
  const dense = new PaddedConv2D({ ...args, filters: 1, kernelInitializer: 'ones' });
  const depthwise = new PaddedDepthwiseConv2D({ ...args, depthwiseInitializer: 'ones' });
  for (const layer of [dense, depthwise]) {
    const y = layer.apply(image()) as tf.Tensor;
    t.deepEqual(y.shape, [1, 2, 2, 1]);
    t.deepEqual([...y.dataSync()], sums);
    t.deepEqual(layer.computeOutputShape([null, 4, 4, 1]), [null, 2, 2, 1]);
  }
});

test('a maximum over a window that reaches over the edge is one of the image, also of negative numbers', t => {
  const layer = new PaddedMaxPooling2D({ poolSize: 3, strides: 2, pad: 1 });
  const y = layer.apply(tf.neg(image())) as tf.Tensor;
  t.deepEqual([...y.dataSync()], [-1, -2, -5, -6]);
});

test('a bias is added once per filter', t => {
  const layer = new PaddedConv2D({
    filters: 2,
    kernelSize: 3,
    strides: 2,
    pad: 1,
    kernelInitializer: 'zeros',
    biasInitializer: 'ones',
  });
  t.deepEqual([...(layer.apply(image()) as tf.Tensor).dataSync()], Array(8).fill(1));
});

test('padded layers survive JSON', async t => {
  const input = layers.input({ shape: [9, 9, 3] });
  const stack = [
    new PaddedConv2D({ name: 'a/conv', filters: 4, kernelSize: 3, strides: 2, pad: 1 }),
    new PaddedDepthwiseConv2D({ name: 'a/depthwise', kernelSize: 5, strides: 2, pad: 2, depthMultiplier: 2 }),
    new PaddedMaxPooling2D({ name: 'a/pool', poolSize: 3, strides: 2, pad: 1 }),
  ];
  const output = stack.reduce((x, layer) => layer.apply(x) as layers.SymbolicTensor, input);
  const model = layers.model({ inputs: input, outputs: output });
  const copy = await layers.models.modelFromJSON(JSON.parse(model.toJSON() as string));
  copy.setWeights(model.getWeights());
  const x = tf.randomUniform([2, 9, 9, 3], -1, 1, 'float32', 3);
  const [ours, theirs] = [model, copy].map(each => (each.predict(x) as tf.Tensor).dataSync());
  t.is(ours!.length, 2 * 2 * 2 * 8);
  t.deepEqual(theirs, ours);
});
