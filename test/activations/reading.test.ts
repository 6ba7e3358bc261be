import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import {
  coefficients,
  evaluateRational,
  OptionsError,
  pau,
  rangeWarnings,
  snapshotActivations,
  zoo,
} from '../../src/index.js';
import { within } from '../support/closeness.js';
import '../support/engine.js';

/** One PAU on `[n, 4]`, whose inputs are therefore the network's. */
function alone(options: Parameters<typeof pau>[0] = {}) {
  const input = layers.input({ shape: [4] });
  const layer = pau(options).layer('act');
  return layers.model({ inputs: input, outputs: layer.apply(input) as layers.SymbolicTensor });
}

test.serial('coefficients() are what the layer calculates with now', t => {
  const model = alone({
    shared: { groups: 2 },
    order: [2, 1],
    init: { numerator: [0, 1, 0], denominator: [1] },
  });
  const layer = model.getLayer('act');
  layer.setWeights([
    tf.tensor2d([
      [1, 2, 3],
      [-1, 0, 0.5],
    ]),
    tf.tensor2d([[0.5], [2]]),
  ]);
  const [one, two] = coefficients(layer);
  t.deepEqual(one, { numerator: [1, 2, 3], denominator: [0.5], form: 'absolute-sum', q: 1 });
  t.deepEqual(two, { numerator: [-1, 0, 0.5], denominator: [2], form: 'absolute-sum', q: 1 });
  const x = [-1.5, 0.25, 3, -2];
  const y = (model.predict(tf.tensor2d([x])) as tf.Tensor).dataSync() as Float32Array;
  const expected = x.map((value, channel) => evaluateRational(channel < 2 ? one! : two!, value));
  within(t, 'y', y, expected, { tolerance: 1e-6, scale: 4 });
  model.dispose();
});

test.serial('coefficients() of another layer is an error that says what it is', t => {
  const model = zoo.lenet();
  t.throws(() => coefficients(model.getLayer('conv1')), {
    instanceOf: OptionsError,
    message: /conv1 is a Conv2D, expected a layer of pau\(\)/,
  });
  model.dispose();
});

// --- snapshots ---

test.serial('a snapshot counts the inputs of every Padé activation, and those outside its range', async t => {
  const model = alone();
  // 20 numbers from -4 to 5.5 in steps of a half: 2 below -3, 5 above 3
  const x = Array.from({ length: 20 }, (_, i) => -4 + i / 2);
  const [snapshot, ...more] = await snapshotActivations(model, tf.tensor2d(x, [5, 4]));
  t.is(more.length, 0);
  t.is(snapshot!.layer, 'act');
  const { min, max, counts } = snapshot!.inputs;
  t.deepEqual([min, max], [-4, 5.5]);
  const bin = (value: number) => Math.min(63, Math.floor(((value + 4) / 9.5) * 64));
  const expected = new Array(64).fill(0);
  for (const value of x) expected[bin(value)]++;
  t.deepEqual(counts, expected);
  t.is(snapshot!.outside, 7 / 20);
  t.deepEqual(snapshot!.coefficients, coefficients(model.getLayer('act')));
  t.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot, 'plain data');
  model.dispose();
});

test.serial('snapshots of one network at two moments are the history of its coefficients', async t => {
  const model = zoo.lenet({ activation: 'pau' });
  const images = tf.randomNormal([2, 32, 32, 1], 0, 1, 'float32', 3);
  const before = await snapshotActivations(model, images);
  const tensors = tf.memory().numTensors;
  const layer = model.getLayer('act2');
  const [numerator, denominator] = layer.getWeights();
  tf.tidy(() => layer.setWeights([tf.mul(numerator!, 2), denominator!]));
  const after = await snapshotActivations(model, images);
  t.is(tf.memory().numTensors, tensors);
  t.deepEqual(
    before.map(({ layer }) => layer),
    ['act1', 'act2', 'act3', 'act4'],
  );
  const changed = after.filter(
    (one, i) => one.coefficients![0]!.numerator[1] !== before[i]!.coefficients![0]!.numerator[1],
  );
  t.deepEqual(
    changed.map(({ layer }) => layer),
    ['act2'],
  );
  t.deepEqual(after[1]!.inputs, before[1]!.inputs, 'nothing before it changed');
  t.notDeepEqual(after[2]!.inputs, before[2]!.inputs);
  model.dispose();
});

test.serial('inputs outside the fitted range are warned of from 5 % on', async t => {
  const model = alone({ range: [-1, 1] });
  const batch = (outside: number) =>
    tf.tensor2d(
      Array.from({ length: 100 }, (_, i) => (i < outside ? 7 : i / 100)),
      [25, 4],
    );
  t.deepEqual(rangeWarnings(await snapshotActivations(model, batch(5))), []);
  const [warning] = rangeWarnings(await snapshotActivations(model, batch(6)));
  t.regex(warning!, /^act: 6 % of the inputs are outside .* from 0\.0600 to 7\.00\); normalise before it/);
  model.dispose();
});

test.serial('NaN and infinite inputs are outside, and spoil neither the range nor the counts', async t => {
  const model = alone();
  const x = [1, 2, Number.NaN, Infinity, -Infinity, 1.5, 1, 2];
  const [snapshot] = await snapshotActivations(model, tf.tensor2d(x, [2, 4]));
  const { min, max, counts } = snapshot!.inputs;
  t.deepEqual([min, max], [1, 2]);
  t.deepEqual([counts[0], counts[32], counts[63]], [2, 1, 2]);
  t.is(
    counts.reduce((sum, count) => sum + count, 0),
    5,
  );
  t.is(snapshot!.outside, 3 / 8);
  const [lost] = await snapshotActivations(model, tf.fill([2, 4], Number.NaN));
  t.deepEqual(JSON.parse(JSON.stringify(lost)), lost, 'plain data');
  t.is(lost!.outside, 1);
  t.deepEqual([lost!.inputs.min, lost!.inputs.max], [0, 0]);
  const [none] = await snapshotActivations(model, tf.zeros([0, 4]));
  t.is(none!.outside, 0);
  model.dispose();
});

test.serial('of many inputs a sample from every channel is counted, and the extremes are of all', async t => {
  const input = layers.input({ shape: [64] });
  const act = pau({ range: [-1, 1] }).layer('act');
  const model = layers.model({ inputs: input, outputs: act.apply(input) as layers.SymbolicTensor });
  // Channel c has the value c in all but one image: 2^19 inputs, of which 1/8 is counted.
  const images = tf.tidy(() => {
    const rows = tf.tile(tf.reshape(tf.range(0, 64), [1, 64]), [8191, 1]);
    return tf.concat([rows, tf.fill([1, 64], -7)]);
  });
  const [snapshot] = await snapshotActivations(model, images);
  const { min, max, counts } = snapshot!.inputs;
  t.deepEqual([min, max], [-7, 63]);
  const counted = counts.reduce((sum, count) => sum + count, 0);
  t.true(counted > 2 ** 15 && counted <= 2 ** 16, String(counted));
  const share = (from: number, to: number) =>
    counts.filter((_, bin) => bin >= from && bin < to).reduce((sum, count) => sum + count, 0) / counted;
  // 70 / 64 a bin: the values 0 to 63 begin in bin 6
  t.true(share(0, 6) < 2e-4);
  t.true(Math.abs(share(6, 35) - 32 / 64) < 2 / 64);
  t.true(Math.abs(snapshot!.outside! - 62 / 64) < 1e-3);
  model.dispose();
});

test.serial('a layer that the network shares has a snapshot for each of its calls', async t => {
  const model = zoo.lenet({ activation: pau({ shared: 'network' }) });
  const snapshots = await snapshotActivations(model, tf.randomNormal([2, 32, 32, 1], 0, 1, 'float32', 3));
  t.is(snapshots.length, 4);
  t.is(new Set(snapshots.map(({ layer }) => layer)).size, 1);
  t.is(new Set(snapshots.map(({ inputs }) => inputs.max)).size, 4);
  model.dispose();
});

test.serial('a network without Padé activations has no snapshots', async t => {
  const model = zoo.lenet({ activation: 'relu' });
  t.deepEqual(await snapshotActivations(model, tf.zeros([1, 32, 32, 1])), []);
  model.dispose();
});

// --- orders with a 0 ---

test.serial(
  'order [m, 0] is a polynomial over q, [0, n] a bump, and both train and survive a round trip',
  async t => {
    const x = tf.tensor2d([[-1.5, 0.25, 3, -2]]);
    for (const [order, numerator, denominator, expected] of [
      [[2, 0], [1, -2, 3], [], (v: number) => (1 - 2 * v + 3 * v * v) / 0.5],
      [[0, 2], [2], [0, 1], (v: number) => 2 / (0.5 + v * v)],
    ] as const) {
      const model = alone({ order, q: 0.5, init: { numerator, denominator } });
      const y = (model.predict(x) as tf.Tensor).dataSync() as Float32Array;
      within(t, `[${order}]`, y, [...x.dataSync()].map(expected), { tolerance: 1e-6, scale: 100 });
      const again = await layers.models.modelFromJSON({
        modelTopology: JSON.parse(model.toJSON() as string),
      });
      again.setWeights(model.getWeights());
      t.deepEqual((again.predict(x) as tf.Tensor).dataSync(), y);
      const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable);
      const { grads } = tf.variableGrads(() => tf.sum(model.apply(x) as tf.Tensor) as tf.Scalar, variables);
      const d = Array.from(grads[variables[0]!.name]!.dataSync());
      const q = (v: number) => 0.5 + (order[1] === 2 ? v * v : 0);
      const powers = numerator.map((_, i) => [...x.dataSync()].reduce((s, v) => s + v ** i / q(v), 0));
      within(t, 'da', d, powers, { tolerance: 1e-6, scale: 100 });
    }
  },
);

test.serial('functions are fitted by order [m, 0] and [0, n] too', t => {
  const [polynomial] = coefficients(pau({ order: [3, 0], init: 'identity' }).layer('p'));
  within(t, 'x', polynomial!.numerator, [0, 1, 0, 0], { tolerance: 1e-9, scale: 1 });
  const bump = pau({ order: [0, 2], init: x => 1 / (1 + x * x), form: 'sum-of-absolutes' });
  const [fit] = coefficients(bump.layer('b'));
  within(t, 'bump', [...fit!.numerator, ...fit!.denominator], [1, 0, 1], { tolerance: 1e-3, scale: 1 });
});

test('order [0, 0] would be a constant, and is refused', t => {
  t.throws(() => pau({ order: [0, 0] }), {
    instanceOf: OptionsError,
    message: /\[0, 0\] is the same for every x/,
  });
});
