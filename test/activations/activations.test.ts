import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import fc from 'fast-check';
import { INITIAL_COEFFICIENTS } from '../../src/activations/coefficients.js';
import { functionByName } from '../../src/activations/functions.js';
import { RATIONAL_FORMS } from '../../src/activations/rational.js';
import {
  evaluateRational,
  fitPade,
  OptionsError,
  type PadeLayer,
  pau,
  type Rational,
} from '../../src/index.js';
import { within } from '../support/closeness.js';
import '../support/engine.js';

const RANGE = 3;

/** Largest and root mean square error on [-3, 3], on a finer grid than any fit used. */
function errorsOf(rational: Rational, f: (x: number) => number) {
  const points = 6001;
  const errors = Array.from({ length: points }, (_, i) => {
    const x = -RANGE + (2 * RANGE * i) / (points - 1);
    return Math.abs(evaluateRational(rational, x) - f(x));
  });
  return {
    largest: Math.max(...errors),
    rms: Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / points),
  };
}

/** What coefficients.ts states in its comments: largest and rms error on [-3, 3], two digits. */
const STATED: Record<string, Record<string, [number, number]>> = {
  'lrelu:0.01': { 'absolute-sum': [3.4e-2, 5.6e-3], 'sum-of-absolutes': [3.0e-2, 5.0e-3] },
  'lrelu:0.2': { 'absolute-sum': [2.7e-2, 4.5e-3], 'sum-of-absolutes': [2.6e-2, 4.3e-3] },
  relu: { 'absolute-sum': [3.4e-2, 5.6e-3], 'sum-of-absolutes': [3.0e-2, 5.1e-3] },
  tanh: { 'absolute-sum': [3.4e-6, 8.9e-7], 'sum-of-absolutes': [3.0e-6, 6.5e-7] },
  sigmoid: { 'absolute-sum': [4.5e-9, 1.1e-9], 'sum-of-absolutes': [4.5e-9, 1.1e-9] },
  swish: { 'absolute-sum': [1.1e-6, 2.9e-7], 'sum-of-absolutes': [1.1e-6, 2.9e-7] },
  elu: { 'absolute-sum': [1.5e-4, 3.6e-5], 'sum-of-absolutes': [4.2e-4, 1.2e-4] },
  gelu: { 'absolute-sum': [8.9e-4, 3.0e-4], 'sum-of-absolutes': [2.6e-3, 8.6e-4] },
};

test('every function in the table of coefficients has its stated error', t => {
  t.deepEqual(Object.keys(INITIAL_COEFFICIENTS).sort(), Object.keys(STATED).sort());
});

for (const [name, forms] of Object.entries(STATED)) {
  for (const [form, [largest, rms]] of Object.entries(forms)) {
    test(`${name} by ${form} is missed by ${largest} at most, ${rms} on average`, t => {
      const coefficients = INITIAL_COEFFICIENTS[name]![form as 'absolute-sum']!;
      const errors = errorsOf({ ...coefficients, form: form as 'absolute-sum', q: 1 }, functionByName(name));
      // Half a unit of the second digit, and coefficients that are rounded to nine digits.
      t.true(Math.abs(errors.largest - largest) < 0.06 * largest + 5e-10, `largest ${errors.largest}`);
      t.true(Math.abs(errors.rms - rms) < 0.06 * rms + 5e-10, `rms ${errors.rms}`);
    });
  }
}

const FUNCTIONS: Record<string, (x: number) => number> = {
  relu: x => Math.max(0, x),
  lrelu: x => (x > 0 ? x : 0.01 * x),
  'lrelu:0.2': x => (x > 0 ? x : 0.2 * x),
  tanh: Math.tanh,
  sigmoid: x => 1 / (1 + Math.exp(-x)),
  swish: x => x / (1 + Math.exp(-x)),
  'swish:2': x => x / (1 + Math.exp(-2 * x)),
};
for (const [name, f] of Object.entries(FUNCTIONS)) {
  test(`${name} by name is its formula`, t => {
    for (const x of [-3, -0.5, 0, 0.5, 3]) t.true(Math.abs(functionByName(name)(x) - f(x)) < 1e-15);
  });
}

test('gelu by name has the values of its table', t => {
  // x·Φ(x), from tables of the normal distribution
  const values = [
    [1, 0.841344746],
    [-1, -0.158655254],
    [2, 1.954499736],
    [0.5, 0.345731231],
    [0, 0],
  ] as const;
  for (const [x, expected] of values) t.true(Math.abs(functionByName('gelu')(x) - expected) < 5e-7);
});

for (const form of RATIONAL_FORMS) {
  test.serial(`pau() in form ${form} starts within 0.034 of LeakyReLU(0.01) on [-3, 3]`, t => {
    const layer = pau({ form }).layer(`start-${form}`);
    const x = Float32Array.from({ length: 601 }, (_, i) => -3 + i / 100);
    const y = (layer.apply(tf.tensor1d(x)) as tf.Tensor).dataSync();
    within(
      t,
      'y',
      y,
      x.map(v => (v > 0 ? v : 0.01 * v)),
      { tolerance: 0.034, scale: 1 },
    );
    layer.dispose();
  });
}

test.serial('a PAU layer has m + 1 and n weights, and rational() tells what they are now', t => {
  const layer = pau({ order: [3, 2], init: { numerator: [0, 1, 2, 3], denominator: [4, 5] } }).layer(
    'small',
  ) as PadeLayer;
  layer.apply(tf.zeros([1, 4]));
  t.deepEqual(
    layer.getWeights().map(weight => weight.shape),
    [[4], [2]],
  );
  t.deepEqual(layer.rational(), { numerator: [0, 1, 2, 3], denominator: [4, 5], form: 'absolute-sum', q: 1 });
  layer.setWeights([tf.tensor1d([1, 1, 1, 1]), tf.tensor1d([2, 2])]);
  t.deepEqual(layer.rational().denominator, [2, 2]);
  t.deepEqual(layer.initial.denominator, [4, 5]);
  layer.dispose();
});

test.serial('two layers of one pau() have coefficients of their own', t => {
  const activation = pau();
  const [a, b] = [activation.layer('a') as PadeLayer, activation.layer('b') as PadeLayer];
  for (const layer of [a, b]) layer.apply(tf.zeros([1, 4]));
  a.setWeights([tf.zeros([6]), tf.zeros([4])]);
  t.deepEqual(a.rational().numerator, [0, 0, 0, 0, 0, 0]);
  t.true(b.rational().numerator.every(value => value !== 0));
  a.dispose();
  b.dispose();
});

const REFUSED: [object, RegExp][] = [
  [{ ordr: [5, 4] }, /no option ordr, expected one of order, init, form, q, range, shared/],
  [{ order: [0, 0] }, /order/],
  [{ order: [5, 11] }, /order/],
  [{ q: 0 }, /q: .*got 0/],
  [{ form: 'safe' }, /form: .*"safe"/],
];
for (const [options, message] of REFUSED) {
  test(`pau refuses ${JSON.stringify(options)}`, t => {
    t.throws(() => pau(options as never), { instanceOf: OptionsError, message });
  });
}

test('pau names the coefficients that an order needs, and the functions that it can start from', t => {
  const init = { numerator: [1, 2], denominator: [1] };
  t.throws(() => pau({ order: [5, 4], init }).layer('x'), {
    instanceOf: OptionsError,
    message: /order \[5, 4\] needs 6 numerator and 4 denominator coefficients, got 2 and 1/,
  });
  t.throws(() => pau({ init: 'mish' }).layer('x'), {
    instanceOf: OptionsError,
    message: /must be one of relu, lrelu, tanh, sigmoid, swish, elu, identity, gelu .*got 'mish'/,
  });
});

for (const form of RATIONAL_FORMS) {
  test(`a fit in form ${form} finds a function that is rational itself`, t => {
    const truth: Rational = { numerator: [0.2, 1, 0.5, 0.3], denominator: [0, 0.8], form, q: 1 };
    const fit = fitPade(x => evaluateRational(truth, x), { order: [3, 2], form, q: 1 });
    t.true(fit.maximumError < 1e-6, String(fit.maximumError));
  });
}

test('a fit states the error that it has', t => {
  const fit = fitPade(Math.tanh, { order: [3, 2], form: 'absolute-sum', q: 1 });
  const { largest, rms } = errorsOf(fit, Math.tanh);
  t.true(Math.abs(fit.maximumError / largest - 1) < 0.01);
  t.true(Math.abs(fit.rmsError / rms - 1) < 0.01);
});

test('more coefficients never fit worse', t => {
  const error = (order: [number, number]) =>
    fitPade(functionByName('lrelu'), { order, form: 'absolute-sum', q: 1 }).rmsError;
  const [small, middle, large] = [error([3, 2]), error([5, 4]), error([7, 6])];
  t.true(small! > middle! && middle! > large!, `${small} ${middle} ${large}`);
});

test('fitPade refuses a function with a pole in the range', t => {
  t.throws(() => fitPade(x => 1 / x, { order: [3, 2], form: 'absolute-sum', q: 1 }), {
    instanceOf: OptionsError,
    message: /finite on \[-3, 3\]/,
  });
});

test('the safe forms are finite for finite x, and never above P/q', t => {
  const coefficient = fc.double({ min: -10, max: 10, noNaN: true });
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.array(coefficient, { minLength: 1, maxLength: 6 }),
        fc.array(coefficient, { maxLength: 4 }),
        fc.constantFrom('absolute-sum' as const, 'sum-of-absolutes' as const),
        fc.double({ min: -100, max: 100, noNaN: true }),
        (numerator, denominator, form, x) => {
          const y = evaluateRational({ numerator, denominator, form, q: 0.5 }, x);
          const most = numerator.reduce((sum, a, i) => sum + Math.abs(a * x ** i), 0) / 0.5;
          return Number.isFinite(y) && Math.abs(y) <= most * (1 + 1e-9);
        },
      ),
      { seed: 1 },
    ),
  );
});
