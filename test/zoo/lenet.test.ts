import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { lrelu, OptionsError, pau, relu, summary, zoo } from '../../src/index.js';
import '../support/engine.js'; // chooses the engine before the first network is built
import { noise } from '../support/fixture.js';

/** LeNet of the PAU paper's Table 7: rows, output sizes and parameters counted by hand. */
const TABLE = [
  ['conv1', 'Conv2D', [28, 28, 6], 156, 28 * 28 * 6 * 25],
  ['act1', 'Pade', [28, 28, 6], 10, 0],
  ['pool1', 'MaxPooling2D', [14, 14, 6], 0, 0],
  ['conv2', 'Conv2D', [10, 10, 16], 2416, 10 * 10 * 16 * 150],
  ['act2', 'Pade', [10, 10, 16], 10, 0],
  ['pool2', 'MaxPooling2D', [5, 5, 16], 0, 0],
  ['conv3', 'Conv2D', [1, 1, 120], 48_120, 120 * 400],
  ['act3', 'Pade', [1, 1, 120], 10, 0],
  ['flatten', 'Flatten', [120], 0, 0],
  ['dense1', 'Dense', [84], 10_164, 120 * 84],
  ['act4', 'Pade', [84], 10, 0],
  ['logits', 'Dense', [10], 850, 84 * 10],
] as const;

function weightsOf(model: layers.LayersModel): Float32Array[] {
  return model.getWeights().map(weight => weight.dataSync() as Float32Array);
}

test('LeNet-PAU has 61,706 + 40 parameters and 416,520 multiply-accumulates, layer by layer as in the paper', t => {
  const model = zoo.lenet({ activation: pau() });
  const { parameters, activationParameters, macs, layers: rows } = summary(model);
  t.deepEqual([parameters, activationParameters, macs], [61_746, 40, 416_520]);
  t.deepEqual(
    rows
      .slice(1)
      .map(({ name, type, outputShape, parameters, macs }) => [name, type, outputShape, parameters, macs]),
    TABLE.map(row => [...row]),
  );
  t.deepEqual(model.inputs[0]!.shape, [null, 32, 32, 1]);
  t.deepEqual(model.outputs[0]!.shape, [null, 10]);
  model.dispose();
});

for (const activation of [relu(), lrelu({ slope: 0.2 })]) {
  test(`LeNet with ${activation.kind} has 61,706 parameters`, t => {
    const model = zoo.lenet({ activation });
    const { parameters, activationParameters, macs } = summary(model);
    t.deepEqual([parameters, activationParameters, macs], [61_706, 0, 416_520]);
    model.dispose();
  });
}

test('an activation is the same by function, by config and by name', t => {
  const kinds = (choices: Parameters<typeof zoo.lenet>[0][]) =>
    choices.map(options => {
      const model = zoo.lenet(options);
      const layer = model.getLayer('act2');
      const described = [layer.getClassName(), layer.getConfig(), summary(model).parameters];
      model.dispose();
      return described;
    });
  const groups = [
    [{ activation: relu() }, { activation: { name: 'relu' } }, { activation: 'relu' }],
    [
      { activation: lrelu({ slope: 0.2 }) },
      { activation: { name: 'lrelu', slope: 0.2 } },
      { activation: 'lrelu:0.2' },
    ],
    [{ activation: pau() }, { activation: pau().config }, { activation: 'pau' }, {}],
  ];
  for (const group of groups) {
    const [first, ...others] = kinds(group);
    for (const other of others) t.deepEqual(other, first);
  }
});

test('the same seed gives the same weights, whatever was built before', t => {
  const first = zoo.lenet({ activation: 'relu', seed: 7 });
  const disturbance = zoo.lenet({ activation: 'pau', seed: 8 });
  const again = zoo.lenet({ activation: 'relu', seed: 7 });
  t.deepEqual(weightsOf(again), weightsOf(first));
  t.notDeepEqual(weightsOf(disturbance)[0], weightsOf(first)[0]);
  // Other activations leave convolutions and dense layers as they are.
  const withPau = zoo.lenet({ activation: 'pau', seed: 7 });
  t.deepEqual(
    withPau.getLayer('conv3').getWeights()[0]!.dataSync(),
    first.getLayer('conv3').getWeights()[0]!.dataSync(),
  );
  for (const model of [first, disturbance, again, withPau]) model.dispose();
});

test('initial weights fill ±1/√(fan in), as PyTorch draws them', t => {
  const model = zoo.lenet({ seed: 3 });
  const fanIn = { conv1: 25, conv2: 150, conv3: 400, dense1: 120, logits: 84 };
  for (const [name, inputs] of Object.entries(fanIn)) {
    const bound = 1 / Math.sqrt(inputs);
    for (const weight of model.getLayer(name).getWeights()) {
      const values = weight.dataSync() as Float32Array;
      const most = Math.max(...values.map(Math.abs));
      t.true(most <= Math.fround(bound), name);
      // The largest of n draws is above (1 - 5/n) of the bound, but for one seed in 150.
      t.true(most > bound * (1 - 5 / values.length), name);
      if (values.length < 400) continue;
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
      t.true(Math.abs(mean) < (4 * bound) / Math.sqrt(3 * values.length), name);
      t.true(Math.abs(variance / (bound ** 2 / 3) - 1) < 0.15, name);
    }
  }
  model.dispose();
});

for (const activation of ['pau', 'relu', 'lrelu:0.2']) {
  test(`a network with ${activation} survives JSON: the copy calculates the same`, async t => {
    const model = zoo.lenet({ activation, classes: 7, seed: 5 });
    const copy = await layers.models.modelFromJSON(JSON.parse(model.toJSON() as string));
    copy.setWeights(model.getWeights());
    const images = tf.tensor4d(noise(3 * 32 * 32, 1, 1), [3, 32, 32, 1]);
    const [ours, theirs] = [model, copy].map(each => (each.predict(images) as tf.Tensor).dataSync());
    t.is(ours!.length, 3 * 7);
    t.deepEqual(theirs, ours);
    model.dispose();
    copy.dispose();
    images.dispose();
  });
}

test('building and disposing a network leaves no tensor', t => {
  zoo.lenet().dispose();
  const before = tf.memory().numTensors;
  zoo.lenet({ activation: 'pau' }).dispose();
  t.is(tf.memory().numTensors, before);
});

test('zoo.create builds by name; an unknown one lists the known', t => {
  const model = zoo.create('lenet', { activation: 'relu', classes: 3 });
  t.deepEqual(model.outputs[0]!.shape, [null, 3]);
  model.dispose();
  t.throws(() => zoo.create('alexnet'), { instanceOf: OptionsError, message: /no 'alexnet'; known: lenet/ });
  t.throws(() => zoo.create('toString'), { instanceOf: OptionsError });
});

test('zoo.list describes what zoo.create builds', t => {
  for (const { name, inputShape, parameters, macs, activationSites } of zoo.list()) {
    const model = zoo.create(name, { activation: 'pau' });
    const measured = summary(model);
    t.deepEqual(model.inputs[0]!.shape.slice(1), [...inputShape]);
    t.is(measured.parameters, parameters + 10 * activationSites, name);
    t.is(measured.macs, macs, name);
    model.dispose();
  }
});

const REFUSED: [object, RegExp][] = [
  [
    { activations: 'pau' },
    /zoo\.lenet: no option activations, expected one of activation, classes, inputShape, width, seed, name/,
  ],
  [{ activation: 'mish' }, /must be one of pau, .*lrelu.*, got 'mish'/],
  [{ activation: 'lrelu:steep' }, /'lrelu:steep' is not understood/],
  [{ activation: { name: 'pau', orders: [5, 4] } }, /pau: no option orders/],
  [{ activation: { name: 'pau', order: [11, 4] } }, /order/],
  [{ classes: 0 }, /classes: .*, got 0/],
  [{ seed: -1 }, /seed: .*, got -1/],
];
for (const [options, message] of REFUSED) {
  test(`zoo.lenet refuses ${JSON.stringify(options)}`, t => {
    t.throws(() => zoo.lenet(options as never), { instanceOf: OptionsError, message });
  });
}
