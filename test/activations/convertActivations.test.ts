/** Swapping the activations of a network that exists. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { convertActivations, OptionsError, pau, zoo } from '../../src/index.js';
import { within } from '../support/closeness.js';

test.serial(
  'convertActivations swaps activations in functional and sequential networks and keeps the weights',
  async t => {
    const functional = zoo.lenet({ activation: 'relu', seed: 3 });
    const converted = await convertActivations(functional, { from: 'relu', to: pau() });
    t.is(converted.layers.filter(layer => layer.getClassName() === 'Pade').length, 4);
    const weight = (model: layers.LayersModel) => model.getLayer('conv2').getWeights()[0]!.dataSync();
    t.deepEqual(weight(converted), weight(functional));
    t.deepEqual(
      converted.layers.map(({ name }) => name),
      functional.layers.map(({ name }) => name),
    );

    const sequential = layers.sequential({
      layers: [
        layers.layers.dense({ name: 'one', units: 5, activation: 'relu', inputShape: [3] }),
        layers.layers.activation({ name: 'two', activation: 'relu' }),
        layers.layers.dense({ name: 'three', units: 2 }),
      ],
    });
    const leaky = await convertActivations(sequential, { from: 'relu', to: 'lrelu:0.5' });
    t.deepEqual(
      leaky.layers.map(layer => layer.getClassName()),
      ['Dense', 'LeakyReLU', 'LeakyReLU', 'Dense'],
    );
    const x = tf.tensor2d([[1, -2, 3]]);
    const [k1, b1, k2, b2] = sequential.getWeights() as [tf.Tensor2D, tf.Tensor, tf.Tensor2D, tf.Tensor];
    const hidden = tf.leakyRelu(tf.leakyRelu(tf.add(tf.matMul(x, k1), b1), 0.5), 0.5) as tf.Tensor2D;
    const expected = tf.add(tf.matMul(hidden, k2), b2).dataSync() as Float32Array;
    within(t, 'y', (leaky.predict(x) as tf.Tensor).dataSync() as Float32Array, expected, {
      tolerance: 1e-6,
      scale: 1,
    });
  },
);

test.serial("a functional network's fused activation becomes a layer that everyone behind reads", async t => {
  const input = layers.input({ shape: [3] });
  const shared = layers.layers
    .dense({ name: 'shared', units: 3, activation: 'relu' })
    .apply(input) as layers.SymbolicTensor;
  const sum = layers.layers.add({ name: 'sum' }).apply([shared, input]) as layers.SymbolicTensor;
  const network = layers.model({ inputs: input, outputs: [sum, shared] });
  const same = await convertActivations(network, { from: 'relu', to: 'prelu:0' });
  t.deepEqual(
    same.layers.map(({ name }) => name).sort(),
    [...network.layers.map(({ name }) => name), 'shared_activation'].sort(),
  );
  const x = tf.tensor2d([[1, -2, 3]]);
  const outputs = (model: layers.LayersModel) =>
    (model.predict(x) as tf.Tensor[]).map(y => [...y.dataSync()]);
  t.deepEqual(outputs(same), outputs(network));
});

test.serial('convertActivations says what is not there and what cannot be', async t => {
  const network = zoo.lenet({ activation: 'relu' });
  await t.throwsAsync(convertActivations(network, { from: 'prelu', to: 'pau' }), {
    instanceOf: OptionsError,
    message: /has no activation prelu/,
  });
  await t.throwsAsync(convertActivations(network, { from: 'relu', to: 'maxout' }), {
    instanceOf: OptionsError,
    message: /2 times the filters/,
  });
});
