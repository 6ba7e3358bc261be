/** What a Padé activation is like: its poles, extrema and exact range, and the steepest that it gets. */
import { OptionsError } from '../errors.js';
import {
  combination,
  derivativeOf,
  type Polynomial,
  product,
  rootBound,
  rootsIn,
  valueAt,
} from './polynomial.js';
import { evaluateRational, firstDegree, isFolded, type Rational, tailSlopes } from './rational.js';

export type Interval = readonly [number, number];

const LINE: Interval = [-Infinity, Infinity];

/** Where P/Q is one fraction of polynomials: Q's absolute values have the same signs throughout. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly p: Polynomial;
  readonly q: Polynomial;
}

/** The xs in the interval at which Q is 0; the safe forms have none. */
export function poles(rational: Rational, interval: Interval = LINE): number[] {
  if (rational.form !== 'unsafe') return [];
  const q = [1, ...rational.denominator];
  const [from, to] = finite(interval, rootBound(q));
  return rootsIn(q, from, to);
}

export interface Extremum {
  readonly x: number;
  readonly y: number;
  readonly kind: 'minimum' | 'maximum';
}

/** Every local minimum and maximum inside the interval, kinks included, from left to right. */
export function extrema(rational: Rational, interval: Interval = LINE): Extremum[] {
  const pieces = piecesOf(rational, interval);
  const xs = pieces.flatMap((piece, i) => [
    ...(i > 0 ? [piece.from] : []),
    ...criticalPoints(piece).filter(x => x > piece.from && x < piece.to),
  ]);
  const [from, to] = [pieces[0]!.from, pieces.at(-1)!.to];
  const marks = [from, ...xs, to];
  return xs.flatMap((x, i): Extremum[] => {
    const y = evaluateRational(rational, x);
    // Between neighbouring marks the function is monotone, so a point between tells the direction.
    const left = evaluateRational(rational, (marks[i]! + x) / 2);
    const right = evaluateRational(rational, (x + marks[i + 2]!) / 2);
    if (left < y && right < y) return [{ x, y, kind: 'maximum' }];
    if (left > y && right > y) return [{ x, y, kind: 'minimum' }];
    return [];
  });
}

/**
 * The smallest and the largest value on a finite interval, from the critical points of P/Q: what an interval analysis of
 * a network needs of an activation.
 *
 * @throws OptionsError when the interval is not finite or has a pole in it
 */
export function rangeOf(rational: Rational, interval: Interval): Interval {
  checkFinite('rangeOf', interval);
  const found = poles(rational, interval);
  if (found.length > 0) {
    throw new OptionsError(`rangeOf: there is a pole at ${found[0]} in [${interval.join(', ')}]`);
  }
  const pieces = piecesOf(rational, interval);
  const xs = pieces.flatMap(piece => [piece.from, piece.to, ...criticalPoints(piece)]);
  const ys = xs.map(x => evaluateRational(rational, x));
  return [Math.min(...ys), Math.max(...ys)];
}

/**
 * The largest |slope| on the interval (default: everywhere), from the critical points of the slope: the Lipschitz constant.
 * Infinite when there is a pole, or when the numerator's degree is more than one above the denominator's.
 */
export function lipschitzBound(rational: Rational, interval: Interval = LINE): number {
  if (poles(rational, interval).length > 0) return Infinity;
  const tails = tailSlopes(rational);
  const slopes = piecesOf(rational, interval).flatMap(piece => {
    const { p, q, from, to } = piece;
    const top = slopeNumerator(piece);
    // (N/Q²)' = (N'Q - 2NQ')/Q³
    const bend = combination(product(derivativeOf(top), q), -2, product(top, derivativeOf(q)));
    const bounded = finite([from, to], rootBound(bend));
    const xs = [...bounded, ...rootsIn(bend, ...bounded)];
    return xs.map(x => slopeAt(p, q, x));
  });
  if (interval[0] === -Infinity) slopes.push(tails[0]);
  if (interval[1] === Infinity) slopes.push(tails[1]);
  return Math.max(...slopes.map(Math.abs));
}

function slopeAt(p: Polynomial, q: Polynomial, x: number): number {
  const below = valueAt(q, x);
  return (
    valueAt(derivativeOf(p), x) / below - (valueAt(p, x) / below) * (valueAt(derivativeOf(q), x) / below)
  );
}

/** P'Q - PQ', whose roots are the critical points. */
function slopeNumerator({ p, q }: Pick<Piece, 'p' | 'q'>): number[] {
  return combination(product(derivativeOf(p), q), -1, product(p, derivativeOf(q)));
}

function criticalPoints(piece: Piece): number[] {
  const top = slopeNumerator(piece);
  return rootsIn(top, ...finite([piece.from, piece.to], rootBound(top)));
}

function piecesOf(rational: Rational, interval: Interval): Piece[] {
  const { numerator, denominator, form, q } = rational;
  const sum: Polynomial = firstDegree(form) === 0 ? denominator : [0, ...denominator];
  const signs = (side: number): Polynomial => sum.map((b, k) => Math.abs(b) * (k % 2 === 1 ? side : 1));
  const kinks = isFolded(form)
    ? rootsIn(sum, ...finite(interval, rootBound(sum)))
    : form === 'unsafe'
      ? []
      : [0];
  // What lies beyond the last kink may reach to infinity; its own critical points bound it.
  const [from, to] = interval;
  const marks = [from, ...kinks.filter(x => x > from && x < to), to];
  return marks.slice(1).map((end, i) => {
    const start = marks[i]!;
    const middle = between(start, end);
    const inner =
      form === 'sum-of-absolutes'
        ? signs(Math.sign(middle))
        : isFolded(form) && valueAt(sum, middle) < 0
          ? sum.map(b => -b)
          : sum;
    const constant = form === 'unsafe' ? 1 : q;
    return { from: start, to: end, p: numerator, q: combination([constant], 1, inner) };
  });
}

function between(from: number, to: number): number {
  if (from === -Infinity) return to === Infinity ? 0 : to - 1;
  return to === Infinity ? from + 1 : (from + to) / 2;
}

/** The interval without its infinite ends, which go to beyond every root. */
function finite([from, to]: Interval, bound: number): [number, number] {
  return [from === -Infinity ? Math.min(-bound, to) : from, to === Infinity ? Math.max(bound, from) : to];
}

function checkFinite(where: string, [from, to]: Interval): void {
  if (Number.isFinite(from) && Number.isFinite(to) && from <= to) return;
  throw new OptionsError(`${where}: the interval must be finite and rise, got [${from}, ${to}]`);
}
