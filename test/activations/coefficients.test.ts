/** Coefficients that a PAU starts from: the paper's, and fitted ones. */
import test from 'ava';
import { reportOf } from '../../src/activations/fit.js';
import { functionByName } from '../../src/activations/functions.js';
import { padeApproximant, taylorSeries } from '../../src/activations/padeApproximant.js';
import { PAPER_COEFFICIENTS, paperSwish } from '../../src/activations/paperCoefficients.js';
import { evaluateRational, fitPade, OptionsError, pau, type Rational } from '../../src/index.js';
import { within } from '../support/closeness.js';

// --- the paper's coefficients ---

/** Evaluated apart from this project's code: largest and rms error on [-3, 3] under 'sum-of-absolutes'. */
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
    tolerance: 1e-9,
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

// --- awkward functions and ranges ---

test('a fit is as good on a range of any width, for a function of any height', t => {
  // relu(s·x) = s·relu(x), so the error only scales with the range; 0.0339 is that on [-3, 3].
  const relu = functionByName('relu');
  const usual = fitPade(relu).maximumError;
  for (const width of [1e-3, 1000, 1e6, 1e30]) {
    const { maximumError, rmsError } = fitPade(relu, { range: [-width, width] });
    t.true(Math.abs(maximumError / (usual * (width / 3)) - 1) < 1e-6, `${width}: ${maximumError}`);
    t.true(rmsError > 0 && rmsError < maximumError);
  }
  const tanh = fitPade(Math.tanh);
  for (const height of [1e-200, 1e-6, 1e6, 1e12, 1e200]) {
    const { maximumError } = fitPade(x => height * Math.tanh(x), { tailSlope: 0.06 * height });
    t.true(maximumError < 3 * tanh.maximumError * height, `${height}: ${maximumError}`);
  }
});

test('wishes hold on ranges of any width', t => {
  for (const form of ['absolute-sum', 'unsafe'] as const) {
    const fit = fitPade(functionByName('relu'), {
      form,
      range: [-50, 20],
      tailSlope: 1,
      monotone: 'increasing',
    });
    t.true(Math.abs(fit.tailSlopes[1] - 1) < 1e-12, form);
    const ys = Array.from({ length: 701 }, (_, i) => evaluateRational(fit, -50 + i / 10));
    t.true(
      ys.every((y, i) => i === 0 || y >= ys[i - 1]! - 1e-9),
      form,
    );
    t.true(fit.maximumError < 3, `${form}: ${fit.maximumError}`);
  }
});

test('what cannot be fitted is refused with the place where it fails', t => {
  const refused: [unknown, object, RegExp][] = [
    ['relu', {}, /expected a function of x, such as Math\.tanh, got relu/],
    [Math.log, {}, /must be finite on \[-3, 3\], but is NaN at -3/],
    [Math.log, { range: [1, 3], atZero: 'exact' }, /needs a value at 0, but the function is -Infinity there/],
    [Math.tanh, { range: [3, -3] }, /range: must rise/],
  ];
  for (const [f, options, message] of refused)
    t.throws(() => fitPade(f as typeof Math.tanh, options), { instanceOf: OptionsError, message });
  t.throws(() => pau({ range: [3, -3] }), { instanceOf: OptionsError, message: /range: must rise/ });
});
