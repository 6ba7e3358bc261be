/** Activation factories and the layers that they make. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { activationOf } from '../../src/activations/activation.js';
import { PAPER_COEFFICIENTS } from '../../src/activations/paperCoefficients.js';
import { evaluateRational, OptionsError, type PadeLayer, pau, rational, rpau, zoo } from '../../src/index.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';

test('rational() maps the versions of ml-research/rational_activations', t => {
  const of = (version: 'A' | 'B' | 'C' | 'D' | 'N') => {
    const { config } = rational({ version });
    return [config.name, config.form, config.q, config.noise];
  };
  t.deepEqual(of('A'), ['pau', 'sum-of-absolutes', 1, undefined]);
  t.deepEqual(of('B'), ['pau', 'absolute-sum', 1, undefined]);
  t.deepEqual(of('C'), ['pau', 'absolute-polynomial', 0.1, undefined]);
  t.deepEqual(of('D'), ['rpau', 'absolute-sum', 1, 0.1]);
  t.deepEqual(of('N'), ['pau', 'unsafe', 1, undefined]);
});

test('any function is an init, and its fit is what the config keeps', t => {
  const activation = pau({ init: x => Math.abs(x) - 1, order: [4, 3] });
  const again = activationOf(JSON.parse(JSON.stringify(activation.config)));
  const layer = again.layer('abs') as PadeLayer;
  t.true(Math.abs(evaluateRational(layer.initial, 2) - 1) < 0.2);
  t.deepEqual(layer.initial, (activation.layer('abs') as PadeLayer).initial);
});

test("the paper's column starts a PAU of the form that it belongs to, and no other", t => {
  const layer = pau({ init: 'paper:lrelu:0.2', form: 'sum-of-absolutes' }).layer('x') as PadeLayer;
  t.deepEqual(layer.initial.numerator, [...PAPER_COEFFICIENTS['lrelu:0.2']!.numerator]);
  t.throws(() => pau({ init: 'paper:lrelu:0.2' }).layer('x'), {
    instanceOf: OptionsError,
    message: /form sum-of-absolutes, got .*'absolute-sum'/,
  });
});

test('denominators that are all 0 start a little above, for at 0 they would never train', t => {
  const layer = pau({ order: [1, 2], init: { numerator: [0, 1], denominator: [0, 0] } }).layer(
    'x',
  ) as PadeLayer;
  t.true(layer.initial.denominator.every(b => b > 0 && b < 0.01));
});

test.serial(
  'sets of coefficients by channel and by group have their shapes, and survive a config',
  async t => {
    for (const [shared, groups] of [
      ['channel', 6],
      [{ groups: 2 }, 2],
    ] as const) {
      const input = layers.input({ shape: [6] });
      const layer = pau({ shared, order: [2, 1], init: { numerator: [0, 1, 2], denominator: [1] } }).layer(
        'sets',
      ) as PadeLayer;
      const network = layers.model({ inputs: input, outputs: layer.apply(input) as layers.SymbolicTensor });
      t.deepEqual(
        layer.getWeights().map(({ shape }) => shape),
        [
          [groups, 3],
          [groups, 1],
        ],
      );
      t.is(layer.rationals().length, groups);
      const again = await layers.models.modelFromJSON({
        modelTopology: JSON.parse(network.toJSON() as string),
      });
      t.deepEqual(
        again.getWeights().map(({ shape }) => shape),
        [
          [groups, 3],
          [groups, 1],
        ],
      );
    }
    t.throws(
      () =>
        pau({ shared: { groups: 7 } })
          .layer('many')
          .apply(layers.input({ shape: [6] })),
      { instanceOf: OptionsError, message: /6 channels.*7/ },
    );
  },
);

test.serial("shared: 'network' is one layer in a network, and another in the next", t => {
  const activation = pau({ shared: 'network' });
  const [one, two] = [zoo.lenet({ activation }), zoo.lenet({ activation })];
  const sets = (model: layers.LayersModel) => model.layers.filter(layer => layer.getClassName() === 'Pade');
  t.is(sets(one).length, 1);
  t.is(one.countParams(), 61_706 + 10);
  t.not(sets(one)[0], sets(two)[0]);
});

torchTest(
  'RPAU is noisy in training alone, anew at every step, and goes on from a checkpoint where it stopped',
  t => {
    const x = tf.randomUniform([50, 4], -2, 2, 'float32', 1);
    const make = () => {
      const layer = rpau({ noise: 0.1 }).layer('noisy') as PadeLayer;
      layer.apply(tf.zeros([1, 4]));
      return layer;
    };
    const step = (layer: PadeLayer) => (layer.apply(x, { training: true }) as tf.Tensor).dataSync();
    const still = pau().layer('still').apply(x) as tf.Tensor;
    const layer = make();
    t.deepEqual((layer.apply(x) as tf.Tensor).dataSync(), still.dataSync());
    const first = step(layer);
    const saved = layer.getWeights().map(weight => weight.clone());
    const second = step(layer);
    t.notDeepEqual(first, second);
    t.notDeepEqual(first, still.dataSync());
    t.deepEqual(
      saved.map(({ dtype, shape }) => [dtype, shape]),
      [
        ['float32', [6]],
        ['float32', [4]],
        ['int32', [2]],
      ],
    );
    const other = make();
    t.deepEqual(step(other), first);
    other.setWeights(saved);
    t.deepEqual(step(other), second);
    t.is(layer.trainableWeights.length, 2);
  },
);

torchTest('the mean of many RPAU steps is the PAU, to first order in the noise', t => {
  const x = tf.tensor2d(Array.from({ length: 9 }, (_, i) => [-2 + i / 2]));
  const layer = rpau({ noise: 0.01 }).layer('mean');
  const tiled = tf.tile(x, [1, 20_000]);
  const mean = tf.mean(layer.apply(tiled, { training: true }) as tf.Tensor, 1);
  const still = tf.reshape(pau().layer('still').apply(x) as tf.Tensor, [9]);
  within(t, 'mean', mean.dataSync() as Float32Array, still.dataSync() as Float32Array, {
    tolerance: 5e-4,
    scale: 1,
  });
});
