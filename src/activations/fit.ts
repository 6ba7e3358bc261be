/** Least-squares fits of a Padé activation to a function: where initial coefficients come from. */
import { OptionsError } from '../errors.js';
import { evaluateRational, type Rational, type RationalForm, rationalValue } from './rational.js';

export interface FitOptions {
  /** Degrees of numerator and denominator, each at most 10. */
  readonly order: readonly [number, number];
  readonly form: RationalForm;
  readonly q: number;
  /** Where the function is met, inclusive; default [-3, 3], as the authors have it. */
  readonly range?: readonly [number, number];
}

export interface Fit extends Rational {
  /** Largest |P/Q - f| on the range. */
  readonly maximumError: number;
  readonly rmsError: number;
}

/** Points at which the function is met; an odd number, so that the middle of the range is one of them. */
const POINTS = 601;
const ITERATIONS = 400;
/** Relative improvement of the squared error below which the search has arrived. */
const ARRIVED = 1e-12;

/**
 * The Padé activation of the given order nearest to `f` on the range, by Levenberg-Marquardt on the squared error.
 *
 * It starts from the solution of the linearised problem (P - f·S = q·f) and from two fixed denominators, and keeps the
 * best: the result depends on nothing but the arguments. Outside the range the fit is not the function: it grows like
 * x^(m - n) on both sides.
 *
 * @throws OptionsError when `f` is not finite on the range
 */
export function fitRational(f: (x: number) => number, options: FitOptions): Fit {
  const { range: [from, to] = [-3, 3] } = options;
  const xs = Float64Array.from({ length: POINTS }, (_, i) => from + ((to - from) * i) / (POINTS - 1));
  const ys = xs.map(f);
  if (!ys.every(Number.isFinite)) {
    throw new OptionsError(`fitRational: the function must be finite on [${from}, ${to}]`);
  }
  const fits = starts(xs, ys, options).map(start => descend(start, xs, ys));
  const best = fits.reduce((a, b) => (squaredError(b, xs, ys) < squaredError(a, xs, ys) ? b : a));
  const errors = Array.from(xs, (x, i) => Math.abs(evaluateRational(best, x) - ys[i]!));
  return {
    ...best,
    maximumError: Math.max(...errors),
    rmsError: Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length),
  };
}

function starts(xs: Float64Array, ys: Float64Array, { order: [m, n], form, q }: FitOptions): Rational[] {
  const rational = (parameters: readonly number[]): Rational => ({
    numerator: parameters.slice(0, m + 1),
    denominator: parameters.slice(m + 1),
    form,
    q,
  });
  const bound = form === 'unsafe' ? 1 : q;
  const linear = leastSquares(
    Array.from(xs, (x, i) => [
      ...Array.from({ length: m + 1 }, (_, k) => x ** k),
      ...Array.from(
        { length: n },
        (_, k) => -ys[i]! * (form === 'sum-of-absolutes' ? Math.abs(x) : x) ** (k + 1),
      ),
    ]),
    Array.from(ys, y => bound * y),
  );
  const even = Array.from({ length: n }, (_, k) => (k % 2 === 1 ? 1 : 1e-3));
  const mild = Array.from({ length: n }, (_, k) => 0.5 / (k + 1));
  const withDenominator = (denominator: readonly number[]): Rational => {
    const q0 = (x: number) => 1 / evaluateRational({ numerator: [1], denominator, form, q }, x);
    const numerator = leastSquares(
      Array.from(xs, x => Array.from({ length: m + 1 }, (_, k) => x ** k / q0(x))),
      Array.from(ys),
    );
    return rational([...numerator, ...denominator]);
  };
  const all = [rational(linear), withDenominator(even), withDenominator(mild)];
  return all.filter(start => Number.isFinite(squaredError(start, xs, ys)));
}

function descend(start: Rational, xs: Float64Array, ys: Float64Array): Rational {
  let current = start;
  let error = squaredError(current, xs, ys);
  let damping = 1e-3;
  for (let iteration = 0; iteration < ITERATIONS && damping < 1e12; iteration++) {
    const { gradient, curvature } = normalEquations(current, xs, ys);
    const damped = curvature.map((row, i) => row.map((v, j) => (i === j ? v * (1 + damping) + 1e-14 : v)));
    const step = solve(damped, gradient);
    const next = shifted(current, step);
    const nextError = squaredError(next, xs, ys);
    if (!(nextError < error)) {
      damping *= 4;
      continue;
    }
    const arrived = error - nextError < ARRIVED * error;
    current = next;
    error = nextError;
    damping = Math.max(damping / 6, 1e-12);
    if (arrived) break;
  }
  return current;
}

function shifted(rational: Rational, step: readonly number[]): Rational {
  const a = rational.numerator.length;
  return {
    ...rational,
    numerator: rational.numerator.map((value, i) => value - step[i]!),
    denominator: rational.denominator.map((value, k) => value - step[a + k]!),
  };
}

function squaredError(rational: Rational, xs: Float64Array, ys: Float64Array): number {
  return xs.reduce((sum, x, i) => sum + (evaluateRational(rational, x) - ys[i]!) ** 2, 0);
}

/** JᵀJ and Jᵀr of the residuals r = P/Q - f. */
function normalEquations(rational: Rational, xs: Float64Array, ys: Float64Array) {
  const size = rational.numerator.length + rational.denominator.length;
  const gradient = new Array<number>(size).fill(0);
  const curvature = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  xs.forEach((x, point) => {
    const { y, byNumerator, byDenominator } = rationalValue(rational, x);
    const row = [...byNumerator, ...byDenominator];
    const residual = y - ys[point]!;
    for (let i = 0; i < size; i++) {
      gradient[i]! += row[i]! * residual;
      for (let j = 0; j < size; j++) curvature[i]![j]! += row[i]! * row[j]!;
    }
  });
  return { gradient, curvature };
}

/** The x that minimises |Ax - b|², slightly regularised. */
function leastSquares(rows: readonly (readonly number[])[], b: readonly number[]): number[] {
  const size = rows[0]!.length;
  const matrix = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) =>
      rows.reduce((sum, row) => sum + row[i]! * row[j]!, i === j ? 1e-9 : 0),
    ),
  );
  const right = Array.from({ length: size }, (_, i) =>
    rows.reduce((sum, row, r) => sum + row[i]! * b[r]!, 0),
  );
  return solve(matrix, right);
}

/** Gaussian elimination with partial pivoting. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let i = column + 1; i < size; i++) {
      if (Math.abs(rows[i]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = i;
    }
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    for (let i = column + 1; i < size; i++) {
      const factor = rows[i]![column]! / rows[column]![column]!;
      for (let j = column; j <= size; j++) rows[i]![j]! -= factor * rows[column]![j]!;
    }
  }
  const x = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    const known = rows[i]!.slice(i + 1, size).reduce((sum, v, j) => sum + v * x[i + 1 + j]!, 0);
    x[i] = (rows[i]![size]! - known) / rows[i]![i]!;
  }
  return x;
}
