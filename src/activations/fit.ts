/** `fitPade`: the Padé activation that comes nearest to a function; where initial coefficients come from. */
import { z } from 'zod';
import { OptionsError } from '../errors.js';
import { checkOptions } from '../options.js';
import { descend, type Residuals, squared } from './descend.js';
import { leastSquares } from './linearSystem.js';
import { padeApproximant, taylorSeries } from './padeApproximant.js';
import {
  evaluateRational,
  firstDegree,
  RATIONAL_FORMS,
  type Rational,
  rationalValue,
  tailSlopes,
} from './rational.js';

const FitOptions = z.strictObject({
  /** Degrees of numerator and denominator; default the paper's [5, 4]. */
  order: z
    .tuple([z.int().min(0).max(10), z.int().min(0).max(10)])
    .readonly()
    .default([5, 4]),
  form: z.enum(RATIONAL_FORMS).default('absolute-sum'),
  q: z.number().gt(0).lte(1).default(1),
  /** Where the function is met, inclusive; the authors fit on [-3, 3]. */
  range: z
    .tuple([z.number(), z.number()])
    .readonly()
    .refine(([from, to]) => from < to, 'must rise')
    .default([-3, 3]),
  /** The smallest squared error, the smallest largest error, or the agreement of the Taylor series at 0. */
  method: z.enum(['least-squares', 'minimax', 'pade']).default('least-squares'),
  /** For `'pade'`: the Taylor series at 0 to degree m + n; missing: from the function's values on [-1, 1]. */
  taylor: z.array(z.number()).optional(),
  /** `'exact'`: the fit is f(0) at 0, not only near it. */
  atZero: z.enum(['free', 'exact']).default('free'),
  /** The fit's slope at both infinities (at -∞ with the sign (-1)ⁿ in the safe forms); needs m = n + 1. */
  tailSlope: z.number().optional(),
  /** On the range. */
  monotone: z.enum(['increasing', 'decreasing']).optional(),
});
export type FitOptions = z.input<typeof FitOptions>;
type Settings = z.output<typeof FitOptions>;

/** What a fit misses its function by. */
export interface FitReport {
  /** Largest |P/Q - f| on the range. */
  readonly maximumError: number;
  readonly rmsError: number;
  /** P/Q at 0. */
  readonly atZero: number;
  /** The slope of P/Q at -∞ and at ∞. */
  readonly tailSlopes: readonly [number, number];
}
export interface Fit extends Rational, FitReport {}

/** Points at which the function is met; an odd number, so that the middle of the range is one of them. */
const POINTS = 601;
const ITERATIONS = 400;
/** Reweightings of the minimax search, and steps of descent after each. */
const REWEIGHTINGS = 60;
const STEPS_EACH = 8;
/** How much a falling step of a monotone fit counts, in turn until none is left. */
const PENALTIES = [1e3, 1e5, 1e7, 1e9];
/** The slope that a monotone fit is asked for, so that a small shortfall still leaves it monotone. */
const LEAST_SLOPE = 1e-3;

/**
 * The Padé activation of the given order nearest to `f` on the range.
 *
 * `'least-squares'` is Levenberg and Marquardt's descent, from the solution of the linearised problem (P - f·S = q·f) and
 * from two fixed denominators; `'minimax'` goes on from there with Lawson's reweighting; `'pade'` is the approximant at 0.
 * The result depends on nothing but the arguments. Outside the range the fit is not the function: see `tailSlopes`.
 *
 * @throws OptionsError when `f` is not finite on the range, or a wish cannot be fulfilled in this form or order
 */
export function fitPade(f: (x: number) => number, options: FitOptions = {}): Fit {
  const settings = checkOptions(FitOptions, options, 'fitPade');
  const { range } = settings;
  if (typeof f !== 'function') {
    throw new OptionsError(`fitPade: expected a function of x, such as Math.tanh, got ${String(f)}`);
  }
  const ys = pointsOf(range).map(f);
  const wrong = ys.findIndex(y => !Number.isFinite(y));
  if (wrong >= 0) {
    throw new OptionsError(
      `fitPade: the function must be finite on [${range.join(', ')}], but is ${ys[wrong]} at ${pointsOf(range)[wrong]}`,
    );
  }
  checkWishes(settings, f);
  const rational = settings.method === 'pade' ? approximant(f, settings) : searchScaled(f, ys, settings);
  return { ...rational, ...reportOf(rational, f, range) };
}

/** What `rational` misses `f` by on the range. */
export function reportOf(
  rational: Rational,
  f: (x: number) => number,
  range: readonly [number, number],
): FitReport {
  const errors = pointsOf(range).map(x => Math.abs(evaluateRational(rational, x) - f(x)));
  const maximumError = Math.max(...errors);
  const relative = errors.map(error => error / maximumError); // squares of large or small errors are no float64
  return {
    maximumError,
    rmsError: maximumError > 0 ? maximumError * Math.sqrt(squared(relative) / errors.length) : maximumError,
    atZero: evaluateRational(rational, 0),
    tailSlopes: tailSlopes(rational),
  };
}

function pointsOf([from, to]: readonly [number, number]): number[] {
  return Array.from({ length: POINTS }, (_, i) => from + ((to - from) * i) / (POINTS - 1));
}

function checkWishes(
  { order: [m, n], form, method, tailSlope, atZero, monotone }: Settings,
  f: (x: number) => number,
): void {
  if (atZero === 'exact' && !Number.isFinite(f(0))) {
    throw new OptionsError(`fitPade: atZero 'exact' needs a value at 0, but the function is ${f(0)} there`);
  }
  if (tailSlope !== undefined && (m !== n + 1 || n === 0)) {
    throw new OptionsError(
      `fitPade: a slope at infinity needs order [n + 1, n] with n from 1, got [${m}, ${n}]`,
    );
  }
  if (atZero === 'exact' && form === 'absolute-polynomial') {
    throw new OptionsError(
      "fitPade: atZero 'exact' needs a denominator without constant, got form 'absolute-polynomial'",
    );
  }
  if (method === 'pade' && (tailSlope !== undefined || monotone)) {
    throw new OptionsError(
      "fitPade: method 'pade' takes neither tailSlope nor monotone; use 'least-squares' or 'minimax'",
    );
  }
}

function approximant(f: (x: number) => number, { order, form, q, taylor, range }: Settings): Rational {
  const [m, n] = order;
  if (taylor && taylor.length < m + n + 1) {
    throw new OptionsError(
      `fitPade: order [${m}, ${n}] needs ${m + n + 1} coefficients of the Taylor series, got ${taylor.length}`,
    );
  }
  const { numerator, denominator } = padeApproximant(taylor ?? taylorSeries(f, m + n), order);
  const scale = form === 'unsafe' ? 1 : q; // P and Q times q: Q then starts from q
  const b = denominator.map(value => scale * value);
  const rational: Rational = {
    numerator: numerator.map(value => scale * value),
    denominator: firstDegree(form) === 0 ? [0, ...b] : b,
    form,
    q,
  };
  const same = pointsOf(range).every(x => {
    const plain = scale + b.reduce((sum, value, k) => sum + value * x ** (k + 1), 0);
    const safe = evaluateRational({ ...rational, numerator: [1] }, x);
    return Math.abs(1 / plain - safe) <= 1e-9 * Math.abs(safe);
  });
  if (same) return rational;
  throw new OptionsError(
    `fitPade: the approximant's denominator falls below ${scale} on [${range.join(', ')}], which form '${form}' cannot; use form 'unsafe' or another method`,
  );
}

/** Which coefficients are free, and how the others follow from them. */
class Constraints {
  readonly #settings: Settings;
  readonly #start: number; // of the free numerator coefficients
  readonly #end: number;
  readonly #a0: number;

  constructor(settings: Settings, valueAtZero: number) {
    const { order, form, q, atZero, tailSlope } = settings;
    this.#settings = settings;
    this.#start = atZero === 'exact' ? 1 : 0;
    this.#end = order[0] + 1 - (tailSlope === undefined ? 0 : 1);
    this.#a0 = valueAtZero * (form === 'unsafe' ? 1 : q);
  }

  free({ numerator, denominator }: Pick<Rational, 'numerator' | 'denominator'>): number[] {
    return [...numerator.slice(this.#start, this.#end), ...denominator];
  }

  rational(free: readonly number[]): Rational {
    const { form, q, tailSlope } = this.#settings;
    const count = this.#end - this.#start;
    const denominator = free.slice(count);
    const numerator = [...(this.#start === 1 ? [this.#a0] : []), ...free.slice(0, count)];
    if (tailSlope !== undefined) numerator.push(tailSlope * this.#last(denominator));
    return { numerator, denominator, form, q };
  }

  /** Derivatives by the free coefficients. */
  row(free: readonly number[], byNumerator: readonly number[], byDenominator: readonly number[]): number[] {
    const row = [...byNumerator.slice(this.#start, this.#end), ...byDenominator];
    const { form, tailSlope } = this.#settings;
    if (tailSlope !== undefined) {
      const sign = form === 'unsafe' ? 1 : Math.sign(free.at(-1)!);
      row[row.length - 1]! += tailSlope * sign * byNumerator.at(-1)!;
    }
    return row;
  }

  #last(denominator: readonly number[]): number {
    const last = denominator.at(-1)!;
    return this.#settings.form === 'unsafe' ? last : Math.abs(last);
  }
}

/** The largest |x| of the authors' range, on which the search is well conditioned. */
const USUAL_X = 3;
/** Largest |f| between which a function is fitted as it is; others are brought to `USUAL_X` as well. */
const USUAL_Y = [1 / 16, 16] as const;

/** Searches with x and y of usual size: what is beyond loses its digits to the powers of x, or to the damping. */
function searchScaled(f: (x: number) => number, ys: readonly number[], settings: Settings): Rational {
  const { range, form, tailSlope } = settings;
  const largest = (values: readonly number[]) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const s = largest(range) / USUAL_X;
  const height = largest(ys);
  const t = height === 0 || (height >= USUAL_Y[0] && height <= USUAL_Y[1]) ? 1 : height / USUAL_X;
  const unit: Settings = {
    ...settings,
    range: [range[0] / s, range[1] / s],
    ...(tailSlope === undefined ? {} : { tailSlope: (tailSlope * s) / t }),
  };
  const us = pointsOf(range).map(x => x / s);
  const found = search(
    u => f(u * s) / t,
    us,
    ys.map(y => y / t),
    unit,
  );
  const from = firstDegree(form);
  return {
    ...found,
    numerator: found.numerator.map((a, i) => (a / s ** i) * t),
    denominator: found.denominator.map((b, k) => b / s ** (k + from)),
  };
}

function search(
  f: (x: number) => number,
  xs: readonly number[],
  ys: readonly number[],
  settings: Settings,
): Rational {
  const { method, monotone, atZero } = settings;
  const constraints = new Constraints(settings, atZero === 'exact' ? f(0) : 0);
  const even = xs.map(() => 1);
  const errorOf = (free: readonly number[]) => squared(errorsOf(constraints.rational(free), xs, ys));
  const fits = starts(xs, ys, settings)
    .map(start => constraints.free(start))
    .filter(free => Number.isFinite(errorOf(free)))
    .map(free => descend(free, residualsOf(constraints, xs, ys, even, settings, 0), ITERATIONS));
  let best = fits.reduce((a, b) => (errorOf(b) < errorOf(a) ? b : a));
  let penalty = 0;
  if (monotone) {
    for (penalty of PENALTIES) {
      best = descend(best, residualsOf(constraints, xs, ys, even, settings, penalty), ITERATIONS);
      if (isMonotone(constraints.rational(best), xs, monotone)) break;
    }
    if (!isMonotone(constraints.rational(best), xs, monotone)) {
      throw new OptionsError(
        `fitPade: found no ${monotone} fit of this order; raise it, or narrow the range`,
      );
    }
  }
  if (method === 'minimax') best = minimax(best, constraints, xs, ys, settings, penalty);
  return constraints.rational(best);
}

/** Lawson's algorithm: points that are missed by more count for more. */
function minimax(
  start: readonly number[],
  constraints: Constraints,
  xs: readonly number[],
  ys: readonly number[],
  settings: Settings,
  penalty: number,
): number[] {
  const largest = (free: readonly number[]) =>
    Math.max(...errorsOf(constraints.rational(free), xs, ys).map(Math.abs));
  const { monotone } = settings;
  let current = [...start];
  let best = current;
  let weights = xs.map(() => 1);
  for (let i = 0; i < REWEIGHTINGS; i++) {
    const errors = errorsOf(constraints.rational(current), xs, ys).map(Math.abs);
    const raised = weights.map((weight, p) => weight * (errors[p]! + 1e-3 * Math.max(...errors)));
    const mean = raised.reduce((sum, weight) => sum + weight, 0) / raised.length;
    if (!(mean > 0)) break; // it is the function
    weights = raised.map(weight => weight / mean);
    current = descend(current, residualsOf(constraints, xs, ys, weights, settings, penalty), STEPS_EACH);
    const allowed = !monotone || isMonotone(constraints.rational(current), xs, monotone);
    if (allowed && largest(current) < largest(best)) best = current;
  }
  return best;
}

function errorsOf(rational: Rational, xs: readonly number[], ys: readonly number[]): number[] {
  return xs.map((x, i) => evaluateRational(rational, x) - ys[i]!);
}

/** A fall from one point to the next that rounding can explain. */
const ROUNDING = 1e-12;

function isMonotone(rational: Rational, xs: readonly number[], way: 'increasing' | 'decreasing'): boolean {
  const sign = way === 'increasing' ? 1 : -1;
  const ys = xs.map(x => sign * evaluateRational(rational, x));
  return ys.every((y, i) => i === 0 || y >= ys[i - 1]! - ROUNDING);
}

/** Errors at the points, and with a penalty the steps that go the wrong way. */
function residualsOf(
  constraints: Constraints,
  xs: readonly number[],
  ys: readonly number[],
  weights: readonly number[],
  { monotone }: Settings,
  penalty: number,
): (free: readonly number[]) => Residuals {
  return free => {
    const rational = constraints.rational(free);
    const at = xs.map(x => rationalValue(rational, x));
    const jacobian = at.map(({ byNumerator, byDenominator }) =>
      constraints.row(free, byNumerator, byDenominator),
    );
    const values = at.map(({ y }, i) => Math.sqrt(weights[i]!) * (y - ys[i]!));
    const rows = jacobian.map((row, i) => row.map(v => Math.sqrt(weights[i]!) * v));
    if (penalty > 0) {
      const sign = monotone === 'increasing' ? 1 : -1;
      const scale = Math.sqrt(penalty);
      for (let i = 1; i < xs.length; i++) {
        const step = sign * (at[i]!.y - at[i - 1]!.y) - LEAST_SLOPE * (xs[i]! - xs[i - 1]!);
        if (step >= 0) continue;
        values.push(scale * step);
        rows.push(jacobian[i]!.map((v, j) => scale * sign * (v - jacobian[i - 1]![j]!)));
      }
    }
    return { values, rows };
  };
}

/** The linearised problem's solution, and the best numerators of two fixed denominators. */
function starts(xs: readonly number[], ys: readonly number[], settings: Settings): Rational[] {
  const {
    order: [m, n],
    form,
    q,
  } = settings;
  const bound = form === 'unsafe' || form === 'absolute-polynomial' ? 1 : q;
  const withConstant = (b: readonly number[]) => (form === 'absolute-polynomial' ? [1 - q, ...b] : [...b]);
  const linear = leastSquares(
    xs.map((x, i) => [
      ...Array.from({ length: m + 1 }, (_, k) => x ** k),
      ...Array.from(
        { length: n },
        (_, k) => -ys[i]! * (form === 'sum-of-absolutes' ? Math.abs(x) : x) ** (k + 1),
      ),
    ]),
    ys.map(y => bound * y),
  );
  const even = Array.from({ length: n }, (_, k) => (k % 2 === 1 ? 1 : 1e-3));
  const mild = Array.from({ length: n }, (_, k) => 0.5 / (k + 1));
  const withDenominator = (b: readonly number[]): Rational => {
    const denominator = withConstant(b);
    const reciprocal = (x: number) => evaluateRational({ numerator: [1], denominator, form, q }, x);
    const numerator = leastSquares(
      xs.map(x => Array.from({ length: m + 1 }, (_, k) => x ** k * reciprocal(x))),
      ys,
    );
    return { numerator, denominator, form, q };
  };
  const solved: Rational = {
    numerator: linear.slice(0, m + 1),
    denominator: withConstant(linear.slice(m + 1)),
    form,
    q,
  };
  return [solved, withDenominator(even), withDenominator(mild)];
}
