/** Swapping the activations of a network that exists. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { coefficients, convertActivations, OptionsError, pau, zoo } from '../../src/index.js';
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

const tried = tf.tensor2d([
  [1, -2, 3],
  [-0.5, 2, -1],
]);
const answers = (model: layers.LayersModel) => [...(model.predict(tried) as tf.Tensor).dataSync()];
const kinds = (model: layers.LayersModel) =>
  model.layers.map(layer => `${layer.name} ${layer.getClassName()}`);

test.serial("a layer that is called 'x_activation' already is not taken for a new one", async t => {
  const input = layers.input({ shape: [3] });
  const a = layers.layers.dense({ name: 'a', units: 3 }).apply(input) as layers.SymbolicTensor;
  const b = layers.layers.activation({ name: 'a_activation', activation: 'relu' }).apply(a);
  const sum = layers.layers.add({ name: 'sum' }).apply([a, b as layers.SymbolicTensor]);
  const network = layers.model({ inputs: input, outputs: sum as layers.SymbolicTensor });
  const same = await convertActivations(network, { from: 'relu', to: 'prelu:0' });
  t.deepEqual(answers(same), answers(network), 'the sum still reads a itself');

  const fused = layers.sequential({
    layers: [
      layers.layers.dense({ name: 'a', units: 3, activation: 'relu', inputShape: [3] }),
      layers.layers.dense({ name: 'a_activation', units: 2 }),
    ],
  });
  const converted = await convertActivations(fused, { from: 'relu', to: 'prelu:0' });
  t.deepEqual(kinds(converted), ['a Dense', 'a_activation_1 ParametricReLU', 'a_activation Dense']);
  t.deepEqual(answers(converted), answers(fused));
});

test.serial('the first layer of a sequential network keeps its input shape, and is recognised', async t => {
  for (const [first, from] of [
    [layers.layers.activation({ activation: 'relu', inputShape: [3] }), 'relu'],
    [layers.layers.leakyReLU({ alpha: 0.1, inputShape: [3] }), 'lrelu:0.1'],
  ] as const) {
    const network = layers.sequential({ layers: [first, layers.layers.dense({ units: 2 })] });
    const to = from === 'relu' ? 'prelu:0' : 'prelu:0.1';
    const same = await convertActivations(network, { from, to });
    t.deepEqual(answers(same), answers(network));
  }
});

test.serial('networks inside a network are converted too, and keep their weights', async t => {
  const inner = layers.sequential({
    name: 'inner',
    layers: [
      layers.layers.dense({ name: 'one', units: 4, activation: 'relu', inputShape: [3] }),
      layers.layers.dense({ name: 'two', units: 3 }),
    ],
  });
  const input = layers.input({ shape: [3] });
  const network = layers.model({
    inputs: input,
    outputs: layers.layers
      .dense({ name: 'three', units: 2 })
      .apply(inner.apply(input)) as layers.SymbolicTensor,
  });
  const same = await convertActivations(network, { from: 'relu', to: 'prelu:0' });
  const converted = same.getLayer('inner') as unknown as layers.LayersModel;
  t.deepEqual(kinds(converted), ['one Dense', 'one_activation ParametricReLU', 'two Dense']);
  t.deepEqual(answers(same), answers(network));
});

test.serial(
  'what is replaced is what was asked for: its options count, and ReLU up to 6 is ReLU6',
  async t => {
    const { dense, reLU, activation, leakyReLU, elu } = layers.layers;
    const network = layers.sequential({
      layers: [
        dense({ units: 3, inputShape: [3] }),
        reLU({ maxValue: 6, name: 'six' }),
        activation({ activation: 'relu6', name: 'six_again' }),
        reLU({ name: 'plain' }),
        leakyReLU({ name: 'leaky' }),
        elu({ name: 'elu' }),
        activation({ activation: 'swish', name: 'swish' }),
      ],
    });
    const replaced = async (from: string) => {
      const converted = await convertActivations(network, { from, to: pau() });
      return converted.layers.filter(layer => layer.getClassName() === 'Pade').map(({ name }) => name);
    };
    t.deepEqual(await replaced('relu'), ['plain']);
    t.deepEqual(await replaced('relu6'), ['six', 'six_again']);
    t.deepEqual(await replaced('lrelu:0.3'), ['leaky']);
    t.deepEqual(await replaced('elu'), ['elu']);
    t.deepEqual(await replaced('swish'), ['swish']);
    for (const from of ['lrelu:0.2', 'swish:2', 'celu'])
      await t.throwsAsync(replaced(from), { instanceOf: OptionsError, message: /has no activation/ });
  },
);

test.serial('a Padé activation that replaces another starts with its own coefficients', async t => {
  const network = zoo.lenet({ activation: 'pau', seed: 3 });
  network.setWeights(network.getWeights().map(weight => tf.mul(weight, 2)));
  const to = pau({ order: [3, 2], init: 'tanh' });
  const converted = await convertActivations(network, { from: 'pau', to });
  const [fresh] = coefficients(to.layer('fresh'));
  for (const name of ['act1', 'act4']) {
    const [now] = coefficients(converted.getLayer(name));
    within(t, name, now!.numerator, fresh!.numerator, { tolerance: 1e-6, scale: 1 });
  }
  const same = await convertActivations(network, { from: 'pau', to: pau({ init: 'relu' }) });
  const [relu] = coefficients(pau({ init: 'relu' }).layer('fresh'));
  const [now] = coefficients(same.getLayer('act1'));
  within(t, 'of the same order', now!.numerator, relu!.numerator, { tolerance: 1e-6, scale: 1 });
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
  await t.throwsAsync(convertActivations(network, { from: 'relu', to: pau({ shared: 'network' }) }), {
    instanceOf: OptionsError,
    message: /is one layer for the whole network; build the network with it/,
  });
  const recurrent = layers.sequential({
    layers: [layers.layers.simpleRNN({ name: 'rnn', units: 2, activation: 'relu', inputShape: [4, 3] })],
  });
  await t.throwsAsync(convertActivations(recurrent, { from: 'relu', to: 'pau' }), {
    instanceOf: OptionsError,
    message: /rnn is a SimpleRNN, inside which relu cannot be replaced/,
  });
  const relus = [
    layers.layers.dense({ units: 2, activation: 'relu' }) as layers.layers.Layer,
    layers.layers.reLU(),
    layers.layers.simpleRNNCell({ units: 2, activation: 'relu' }),
  ];
  const wrapped = relus.map((layer, i) =>
    i < 2
      ? layers.layers.timeDistributed({ name: 'wrapper', layer, inputShape: [4, 3] })
      : layers.layers.rnn({ name: 'wrapper', cell: layer as never, inputShape: [4, 3] }),
  );
  for (const layer of wrapped) {
    await t.throwsAsync(
      convertActivations(layers.sequential({ layers: [layer] }), { from: 'relu', to: 'pau' }),
      {
        instanceOf: OptionsError,
        message: /wrapper is a (TimeDistributed|RNN), inside which \w+ cannot be replaced/i,
      },
    );
  }
});
