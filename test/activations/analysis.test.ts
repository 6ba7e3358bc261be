/** What can be told of a rational function: extrema, poles, ranges, the closest known one. */
import test from 'ava';
import {
  closestFunction,
  evaluateRational,
  extrema,
  lipschitzBound,
  OptionsError,
  poles,
  type Rational,
  rangeOf,
} from '../../src/index.js';
import { within } from '../support/closeness.js';

const GRID = Array.from({ length: 6001 }, (_, i) => -3 + i / 1000);

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
    // Between two points of the grid the function gets no further than the steepest slope takes it.
    const most = lipschitzBound(given, [-3, 3]) * 1e-3;
    t.true(low <= grid[0]! && low >= grid[0]! - most, `${form}: ${low}, ${grid[0]}`);
    t.true(high >= grid[1]! && high <= grid[1]! + most, `${form}: ${high}, ${grid[1]}`);
    const steepest = Math.max(...ys.slice(1).map((y, i) => Math.abs(y - ys[i]!) * 1000));
    const bound = lipschitzBound(given, [-3, 3]);
    t.true(bound >= steepest - 1e-9 && bound < 1.15 * steepest, `${form}: ${bound}, ${steepest}`);
  }
});

test('the closest known function of a scaled, shifted tanh is tanh', t => {
  const inputs = GRID.filter((_, i) => i % 40 === 0);
  const found = closestFunction(x => 2 * Math.tanh(0.7 * x - 0.3) + 0.5, inputs, ['relu', 'tanh', 'swish']);
  t.is(found.name, 'tanh');
  t.true(found.rmsError < 1e-6);
});

test('a comparison with nothing, or of what is not finite, is refused', t => {
  const inputs = [-1, 0, 1];
  t.throws(() => closestFunction(Math.tanh, []), { instanceOf: OptionsError, message: /got 0 and 9/ });
  t.throws(() => closestFunction(Math.tanh, inputs, []), {
    instanceOf: OptionsError,
    message: /got 3 and 0/,
  });
  t.throws(() => closestFunction(Math.log, inputs), {
    instanceOf: OptionsError,
    message: /the activation is NaN at -1; leave that input out/,
  });
});
