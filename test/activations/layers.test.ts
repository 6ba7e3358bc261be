import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { activationOf } from '../../src/activations/activation.js';
import { reportOf } from '../../src/activations/fit.js';
import { functionByName } from '../../src/activations/functions.js';
import { padeApproximant, taylorSeries } from '../../src/activations/padeApproximant.js';
import { PAPER_COEFFICIENTS, paperSwish } from '../../src/activations/paperCoefficients.js';
import {
  closestFunction,
  convertActivations,
  evaluateRational,
  extrema,
  fitPade,
  lipschitzBound,
  OptionsError,
  type PadeLayer,
  pau,
  poles,
  type Rational,
  rangeOf,
  rational,
  rpau,
  zoo,
} from '../../src/index.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';

// --- the paper's coefficients ---

/** shared/reference/architectures.md, section 3: maximum and rms error on [-3, 3] under 'sum-of-absolutes'. */
const PAPER_ERRORS: [name: string, largest: number, rms: number][] = [
  ['relu', 0.03, 0.0051],
  ['lrelu:0.01', 0.0298, 0.005],
  ['lrelu:0.2', 0.0256, 0.0043],
  ['lrelu:0.25', 0.0242, 0.004],
  ['lrelu:0.3', 0.0228, 0.0038],
  ['lrelu:-0.5', 0.0265, 0.0049],
];
const GRID = Array.from({ length: 6001 }, (_, i) => -3 + i / 1000);
for (const [name, largest, rms] of PAPER_ERRORS) {
  test(`the paper's ${name} misses its function by ${largest} at most, ${rms} on average`, t => {
    const f = functionByName(name);
    const { numerator, denominator } = PAPER_COEFFICIENTS[name]!;
    const errors = GRID.map(x =>
      Math.abs(evaluateRational({ numerator, denominator, form: 'sum-of-absolutes', q: 1 }, x) - f(x)),
    );
    t.true(Math.abs(Math.max(...errors) - largest) < 6e-5);
    t.true(Math.abs(Math.sqrt(errors.reduce((s, e) => s + e * e, 0) / errors.length) - rms) < 6e-5);
  });
}

/** Taylor series at 0, from their textbook coefficients. */
const TANH = [0, 1, 0, -1 / 3, 0, 2 / 15, 0, -17 / 315, 0, 62 / 2835];
const SIGMOID = TANH.map((c, k) => (k === 0 ? 0.5 : (c / 2 ** k) * 0.5));
for (const [name, series, order] of [
  ['tanh', TANH, [5, 4]],
  ['sigmoid', SIGMOID, [5, 4]],
] as const) {
  test(`the paper's ${name} is the Padé approximant of its Taylor series`, t => {
    const { numerator, denominator } = padeApproximant(series, order);
    within(t, 'numerator', numerator, PAPER_COEFFICIENTS[name]!.numerator, { tolerance: 1e-12, scale: 1 });
    within(t, 'denominator', denominator, PAPER_COEFFICIENTS[name]!.denominator, {
      tolerance: 1e-12,
      scale: 1,
    });
  });
}

test("the paper's swish is x times the approximant of order [4, 4] of the sigmoid, for any β", t => {
  const { numerator, denominator } = padeApproximant(SIGMOID, [4, 4]);
  for (const beta of [1, 2.5]) {
    const column = paperSwish(beta);
    const scaled = (values: readonly number[], from: number) => values.map((c, k) => c * beta ** (k + from));
    within(t, 'numerator', [0, ...scaled(numerator, 0)], column.numerator, { tolerance: 1e-12, scale: 1 });
    within(t, 'denominator', scaled(denominator, 1), column.denominator, { tolerance: 1e-12, scale: 1 });
  }
});

test('a Taylor series comes from the values of a function', t => {
  within(t, 'tanh', taylorSeries(Math.tanh, 9), TANH, { tolerance: 1e-7, scale: 1 });
  within(t, 'exp', taylorSeries(Math.exp, 5), [1, 1, 1 / 2, 1 / 6, 1 / 24, 1 / 120], {
    tolerance: 1e-12,
    scale: 1,
  });
});

// --- fits ---

test('minimax has a smaller largest error than least squares, on a grid that neither used', t => {
  for (const name of ['lrelu:0.01', 'gelu']) {
    const f = functionByName(name);
    const largest = (fit: Rational) => Math.max(...GRID.map(x => Math.abs(evaluateRational(fit, x) - f(x))));
    const squares = fitPade(f);
    const minimax = fitPade(f, { method: 'minimax' });
    t.true(largest(minimax) < 0.9 * largest(squares), `${name}: ${largest(minimax)}, ${largest(squares)}`);
    t.true(minimax.rmsError >= squares.rmsError);
  }
});

test('a fit keeps to f(0), to a slope at infinity and to monotony when asked', t => {
  const f = functionByName('lrelu:0.01');
  const free = fitPade(f);
  t.true(Math.abs(free.atZero) > 0.01);
  const exact = fitPade(f, { atZero: 'exact', tailSlope: 1, monotone: 'increasing' });
  t.is(exact.atZero, 0);
  t.true(Math.abs(exact.tailSlopes[1] - 1) < 1e-12);
  t.true(Math.abs(evaluateRational(exact, 1e9) / 1e9 - 1) < 1e-6);
  const ys = GRID.map(x => evaluateRational(exact, x));
  t.true(ys.every((y, i) => i === 0 || y >= ys[i - 1]! - 1e-9));
  t.true(exact.maximumError < 0.2);
});

test('tail slopes are the limits of the slope', t => {
  for (const form of ['absolute-sum', 'absolute-polynomial', 'sum-of-absolutes', 'unsafe'] as const) {
    for (const n of [1, 2, 3, 4]) {
      const denominator = Array.from(
        { length: n + (form === 'absolute-polynomial' ? 1 : 0) },
        (_, k) => 0.3 + 0.1 * k,
      );
      const numerator = Array.from({ length: n + 2 }, (_, i) => 0.2 - 0.1 * i);
      const { tailSlopes } = reportOf({ numerator, denominator, form, q: 1 }, () => 0, [-1, 1]);
      const slope = (x: number) =>
        (evaluateRational({ numerator, denominator, form, q: 1 }, 2 * x) -
          evaluateRational({ numerator, denominator, form, q: 1 }, x)) /
        x;
      t.true(Math.abs(tailSlopes[1] - slope(1e7)) < 1e-5, `${form} ${n} right`);
      t.true(Math.abs(tailSlopes[0] - slope(-1e7)) < 1e-5, `${form} ${n} left`);
    }
  }
});

test('a Padé approximant agrees with its function at 0, and says when a form cannot have it', t => {
  const fit = fitPade(Math.tanh, { method: 'pade', taylor: TANH });
  t.is(fit.atZero, 0);
  t.true(Math.abs(evaluateRational(fit, 0.1) - Math.tanh(0.1)) < 1e-12);
  const half = fitPade(Math.tanh, { method: 'pade', q: 0.5 });
  t.true(Math.abs(evaluateRational(half, 0.3) - Math.tanh(0.3)) < 1e-8);
  t.throws(() => fitPade(x => Math.exp(-x), { method: 'pade', order: [2, 2], range: [-9, 0] }), {
    instanceOf: OptionsError,
    message: /falls below 1.*'unsafe'/,
  });
});

// --- factories ---

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

// --- analysis ---

const BUMP: Rational = { numerator: [0, 1], denominator: [0, 1], form: 'unsafe', q: 1 }; // x / (1 + x²)

test('x/(1 + x²) has its extrema at ±1, its range and its steepest slope at 0', t => {
  t.deepEqual(
    extrema(BUMP).map(({ kind }) => kind),
    ['minimum', 'maximum'],
  );
  within(
    t,
    'x',
    extrema(BUMP).map(({ x }) => x),
    [-1, 1],
    { tolerance: 1e-12, scale: 1 },
  );
  within(t, 'range', [...rangeOf(BUMP, [-5, 0.5])], [-0.5, 0.4], { tolerance: 1e-12, scale: 1 });
  t.true(Math.abs(lipschitzBound(BUMP) - 1) < 1e-12);
  // slope (1 - x²)/(1 + x²)²: on [1, ∞) at its smallest for x = √3, -1/8
  t.true(Math.abs(lipschitzBound(BUMP, [1, Infinity]) - 1 / 8) < 1e-9);
});

test('a kink is an extremum, and poles are found where there are some', t => {
  const tent: Rational = { numerator: [1], denominator: [1], form: 'sum-of-absolutes', q: 1 }; // 1 / (1 + |x|)
  t.deepEqual(extrema(tent), [{ x: 0, y: 1, kind: 'maximum' }]);
  t.true(Math.abs(lipschitzBound(tent) - 1) < 1e-12);
  const split: Rational = { numerator: [1], denominator: [0, -1], form: 'unsafe', q: 1 }; // 1 / (1 - x²)
  within(t, 'poles', poles(split), [-1, 1], { tolerance: 1e-12, scale: 1 });
  t.is(lipschitzBound(split), Infinity);
  t.throws(() => rangeOf(split, [0, 2]), { instanceOf: OptionsError, message: /pole at 1 / });
});

test('the exact range encloses what a fine grid finds, and no more', t => {
  for (const form of ['absolute-sum', 'sum-of-absolutes', 'absolute-polynomial'] as const) {
    const given: Rational = {
      numerator: [0.3, -1, 0.5, 2, -0.1, 0.2],
      denominator: [0.4, -1.5, 0.3, 0.7],
      form,
      q: 0.5,
    };
    const ys = GRID.map(x => evaluateRational(given, x));
    const [low, high] = rangeOf(given, [-3, 3]);
    const grid = [Math.min(...ys), Math.max(...ys)];
    t.true(low <= grid[0]! && low > grid[0]! - 1e-4, `${form}: ${low}, ${grid[0]}`);
    t.true(high >= grid[1]! && high < grid[1]! + 1e-4, `${form}: ${high}, ${grid[1]}`);
    const steepest = Math.max(...ys.slice(1).map((y, i) => Math.abs(y - ys[i]!) * 1000));
    const bound = lipschitzBound(given, [-3, 3]);
    t.true(bound >= steepest - 1e-9 && bound < 1.05 * steepest + 1e-3, `${form}: ${bound}, ${steepest}`);
  }
});

test('the closest known function of a scaled, shifted tanh is tanh', t => {
  const inputs = GRID.filter((_, i) => i % 40 === 0);
  const found = closestFunction(x => 2 * Math.tanh(0.7 * x - 0.3) + 0.5, inputs, ['relu', 'tanh', 'swish']);
  t.is(found.name, 'tanh');
  t.true(found.rmsError < 1e-6);
});

// --- conversion ---

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
