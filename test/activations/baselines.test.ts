import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { type ActivationConfig, activationOf } from '../../src/activations/activation.js';
import { engine, OptionsError } from '../../src/index.js';
import { isActivation } from '../../zoo/summary.js';
import { within } from '../support/closeness.js';
import { hasTorch, torchTest } from '../support/engine.js';
import { fixture } from '../support/fixture.js';

interface Case {
  readonly name: string;
  readonly options: Record<string, unknown>;
  readonly shape: [number, number];
  readonly x: number[];
  readonly dy: number[];
  readonly y: number[];
  readonly dx: number[];
  readonly parameters: Record<string, number[]>;
  readonly gradients: Record<string, number[]>;
}

const { cases } = fixture<{ cases: Case[] }>('baselines');
const ENGINES = [
  { name: 'torch', on: torchTest },
  { name: 'cpu', on: test.serial },
] as const;

test.after.always(async () => {
  if (hasTorch) await engine.use('torch');
});

const layerOf = ({ name, options }: Case, as: string) =>
  activationOf({ name, ...options } as ActivationConfig).layer(as);

for (const each of cases) {
  const title = `${each.name} ${JSON.stringify(each.options)}`;
  for (const { name: backend, on } of ENGINES) {
    on(`${backend}: ${title} and its gradients are PyTorch's in float64`, async t => {
      await tf.setBackend(backend);
      const layer = layerOf(each, 'layer');
      const x = tf.tensor2d(each.x, each.shape);
      layer.apply(tf.zeros(each.shape)); // builds it
      const given = Object.entries(each.parameters);
      t.deepEqual(
        layer.trainableWeights.map(({ originalName }) => originalName.split('/').at(-1)!),
        given.map(([key]) => key),
      );
      for (const weight of layer.trainableWeights) {
        weight.write(tf.tensor1d(each.parameters[weight.originalName.split('/').at(-1)!]!));
      }
      const variables = layer.trainableWeights.map(weight => weight.read() as tf.Variable);
      const y = layer.apply(x) as tf.Tensor;
      within(t, 'y', y.dataSync() as Float32Array, each.y, {
        tolerance: 1e-5,
        scale: each.y.map(v => Math.abs(v) + 1e-6),
      });
      const dy = tf.tensor(each.dy, y.shape);
      const [dx] = tf.grads((input: tf.Tensor) => layer.apply(input) as tf.Tensor)([x], dy) as [tf.Tensor];
      within(t, 'dx', dx.dataSync() as Float32Array, each.dx, {
        tolerance: 1e-5,
        scale: each.dx.map(v => Math.max(Math.abs(v), 0.1)),
      });
      if (variables.length > 0) {
        const { grads } = tf.variableGrads(
          () => tf.sum(tf.mul(layer.apply(x) as tf.Tensor, dy)) as tf.Scalar,
          variables,
        );
        for (const [i, [key]] of given.entries()) {
          const expected = each.gradients[key]!;
          const scale = Math.max(...expected.map(Math.abs), 1);
          within(t, key, grads[variables[i]!.name]!.dataSync() as Float32Array, expected, {
            tolerance: 2e-5,
            scale,
          });
        }
      }
      layer.dispose();
      await tf.setBackend(hasTorch ? 'torch' : 'wasm');
    });
  }

  test.serial(`${title} comes back from its config and from a network's JSON`, async t => {
    const activation = activationOf({ name: each.name, ...each.options } as ActivationConfig);
    t.deepEqual(activationOf(JSON.parse(JSON.stringify(activation.config))).config, activation.config);
    const input = layers.input({ shape: [each.shape[1]] });
    const layer = activation.layer('layer');
    const network = layers.model({ inputs: input, outputs: layer.apply(input) as layers.SymbolicTensor });
    t.true(isActivation(layer));
    const again = await layers.models.modelFromJSON({
      modelTopology: JSON.parse(network.toJSON() as string),
    });
    again.setWeights(network.getWeights());
    const x = tf.tensor2d(each.x, each.shape);
    t.deepEqual((again.predict(x) as tf.Tensor).dataSync(), (network.predict(x) as tf.Tensor).dataSync());
    t.deepEqual(again.outputs[0]!.shape, network.outputs[0]!.shape);
  });
}

const AT_KINKS: [name: string, x: number, slope: number][] = [
  ['relu', 0, 0],
  ['relu6', 0, 0],
  ['relu6', 6, 0],
  ['lrelu:0.2', 0, 0.2],
  ['prelu', 0, 0.25],
  ['elu', 0, 1],
  ['celu', 0, 1],
  ['mixture', 0, 0.5],
  ['srelu', 0, 0.2],
  ['srelu', 1, 1],
];
for (const [name, at, slope] of AT_KINKS) {
  torchTest(`${name} has slope ${slope} at its kink ${at}`, t => {
    const layer = activationOf(name).layer('kink');
    const gradient = tf.grad((x: tf.Tensor) => layer.apply(x) as tf.Tensor)(tf.tensor2d([[at]]));
    t.true(Math.abs(gradient.dataSync()[0]! - slope) < 1e-7);
  });
}

for (const { name: backend, on } of ENGINES) {
  on(
    `${backend}: RReLU draws from U(1/8, 1/3) for every negative input and step, and only in training`,
    async t => {
      await tf.setBackend(backend);
      const layer = activationOf('rrelu').layer(`rrelu-${backend}`);
      const x = tf.fill([1000, 20], -1);
      const draw = () => tf.neg(layer.apply(x, { training: true }) as tf.Tensor).dataSync() as Float32Array;
      const [first, second] = [draw(), draw()];
      for (const slopes of [first, second]) {
        t.true(slopes.every(s => s > 1 / 8 && s < 1 / 3));
        // 20000 draws of standard deviation (1/3 - 1/8)/√12: four standard errors of the mean
        const mean = slopes.reduce((sum, s) => sum + s, 0) / slopes.length;
        t.true(Math.abs(mean - 11 / 48) < (4 * (1 / 3 - 1 / 8)) / Math.sqrt(12 * slopes.length));
      }
      t.true(Math.abs(correlation(first, second)) < 4 / Math.sqrt(first.length), 'between steps');
      t.true(
        Math.abs(correlation(first.slice(1), first.slice(0, -1))) < 4 / Math.sqrt(first.length),
        'neighbours',
      );
      const still = (layer.apply(x) as tf.Tensor).dataSync();
      t.true(still.every(y => Math.abs(y + 11 / 48) < 1e-7));
      const slope = tf.grad((given: tf.Tensor) => layer.apply(given, { training: true }) as tf.Tensor)(x);
      t.true(slope.dataSync().every(s => s > 1 / 8 && s < 1 / 3));
      layer.dispose();
      await tf.setBackend(hasTorch ? 'torch' : 'wasm');
    },
  );
}

function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (v: Float32Array) => v.reduce((sum, each) => sum + each, 0) / v.length;
  const [ma, mb] = [mean(a), mean(b)];
  const product = (u: Float32Array, mu: number, v: Float32Array, mv: number) =>
    u.reduce((sum, each, i) => sum + (each - mu) * (v[i]! - mv), 0);
  return product(a, ma, b, mb) / Math.sqrt(product(a, ma, a, ma) * product(b, mb, b, mb));
}

torchTest("RReLU's gradient has the slopes that forward drew", t => {
  const x = tf.randomUniform([64, 8], -1, 1, 'float32', 3);
  const make = () => activationOf({ name: 'rrelu', seed: 5 }).layer('same');
  const y = make().apply(x, { training: true }) as tf.Tensor;
  const layer = make();
  const dx = tf.grad((given: tf.Tensor) => layer.apply(given, { training: true }) as tf.Tensor)(x);
  within(t, 'x·dx', tf.mul(x, dx).dataSync() as Float32Array, y.dataSync() as Float32Array, {
    tolerance: 1e-6,
    scale: 1,
  });
});

const SHORT: [string, object][] = [
  ['lrelu:0.2', { name: 'lrelu', slope: 0.2 }],
  ['maxout:3', { name: 'maxout', pieces: 3 }],
  ['celu:0.5', { name: 'celu', alpha: 0.5 }],
  ['slaf:3', { name: 'slaf', degree: 3, init: 'relu' }],
];
for (const [text, config] of SHORT) {
  test(`'${text}' is understood`, t => t.deepEqual(activationOf(text).config as object, config));
}

test('maxout asks the architecture for twice the filters before the normalisation', t => {
  const { filtersFactor, placement } = activationOf('maxout');
  t.deepEqual({ filtersFactor, placement }, { filtersFactor: 2, placement: 'before-normalization' });
  t.is(activationOf('relu').filtersFactor, undefined);
});

test.serial('maxout gives the gradient of equal pieces to the first', t => {
  const layer = activationOf('maxout').layer('equal');
  const dx = tf.grad((x: tf.Tensor) => layer.apply(x) as tf.Tensor)(tf.tensor2d([[2, 2, -1, 3]]));
  t.deepEqual([...dx.dataSync()], [1, 0, 0, 1]);
});

const REFUSED: [string | ActivationConfig, RegExp][] = [
  ['mish', /one of pau, rpau, rational, relu, .* got 'mish'/],
  [{ name: 'prelu', slop: 1 }, /prelu: no option slop, expected one of slope/],
  [{ name: 'apl', segments: 16 }, /segments: .*got 16/],
];
for (const [choice, message] of REFUSED) {
  test(`${JSON.stringify(choice)} is refused`, t => {
    t.throws(() => activationOf(choice), { instanceOf: OptionsError, message });
  });
}
