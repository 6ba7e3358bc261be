/** Padé approximants: the rational function whose Taylor series agrees with a function's as far as it can. */
import { solve } from './linearSystem.js';

/**
 * Of a Taylor series at 0, the approximant of order [m, n]: it agrees to degree m + n (Baker & Graves-Morris 1996, 1.1).
 *
 * @param series at least m + n + 1 coefficients, lowest degree first
 * @returns numerator `[m + 1]` and denominator `[n]` from degree 1, whose constant is 1
 */
export function padeApproximant(
  series: readonly number[],
  [m, n]: readonly [number, number],
): { numerator: number[]; denominator: number[] } {
  const c = (i: number) => (i < 0 ? 0 : series[i]!);
  const degrees = Array.from({ length: n }, (_, k) => k + 1);
  const denominator = solve(
    degrees.map(k => degrees.map(j => c(m + k - j))),
    degrees.map(k => -c(m + k)),
  );
  const b = [1, ...denominator];
  const numerator = Array.from({ length: m + 1 }, (_, i) =>
    b.slice(0, i + 1).reduce((sum, bj, j) => sum + bj * c(i - j), 0),
  );
  return { numerator, denominator };
}

/** Degrees above those that are wanted: for a pole at distance π/2 (tanh) the truncation is then below 1e-8. */
const MORE_DEGREES = 12;

/**
 * The Taylor series at 0 of a function that is analytic for |x| <= 1 and some way beyond, from its values on [-1, 1]:
 * its Chebyshev interpolant, written in powers of x.
 */
export function taylorSeries(f: (x: number) => number, degree: number): number[] {
  const count = degree + MORE_DEGREES + 1;
  const angles = Array.from({ length: count }, (_, i) => (Math.PI * (i + 0.5)) / count);
  const values = angles.map(angle => f(Math.cos(angle)));
  const series = new Array<number>(count).fill(0);
  // Powers of T_k by the recurrence T_{k+1} = 2x·T_k - T_{k-1}.
  let previous: number[] = [];
  let current = [1];
  for (let k = 0; k < count; k++) {
    const coefficient =
      ((k === 0 ? 1 : 2) / count) * values.reduce((sum, y, i) => sum + y * Math.cos(k * angles[i]!), 0);
    current.forEach((power, i) => {
      series[i]! += coefficient * power;
    });
    const next = [0, ...current.map(power => (k === 0 ? 1 : 2) * power)];
    previous.forEach((power, i) => {
      next[i]! -= power;
    });
    previous = current;
    current = next;
  }
  return series.slice(0, degree + 1);
}
