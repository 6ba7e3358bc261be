/** Levenberg and Marquardt's descent on the weighted squared error of any model with derivatives. */
import { solve } from './linearSystem.js';

/** Residuals at one point of the parameters, and their derivatives: `rows[i][j]` = d residual i / d parameter j. */
export interface Residuals {
  readonly values: readonly number[];
  readonly rows: readonly (readonly number[])[];
}

/** Relative improvement of the squared error below which the search has arrived. */
const ARRIVED = 1e-12;

/** The parameters with the smallest sum of squares that a descent from `start` finds. */
export function descend(
  start: readonly number[],
  residualsAt: (parameters: readonly number[]) => Residuals,
  iterations: number,
): number[] {
  let current = [...start];
  let residuals = residualsAt(current);
  let error = squared(residuals.values);
  let damping = 1e-3;
  for (let iteration = 0; iteration < iterations && damping < 1e12; iteration++) {
    const { gradient, curvature } = normalEquations(residuals);
    const damped = curvature.map((row, i) => row.map((v, j) => (i === j ? v * (1 + damping) + 1e-14 : v)));
    const step = solve(damped, gradient);
    const next = current.map((value, i) => value - step[i]!);
    const nextResiduals = residualsAt(next);
    const nextError = squared(nextResiduals.values);
    if (!(nextError < error)) {
      damping *= 4;
      continue;
    }
    const arrived = error - nextError < ARRIVED * error;
    current = next;
    residuals = nextResiduals;
    error = nextError;
    damping = Math.max(damping / 6, 1e-12);
    if (arrived) break;
  }
  return current;
}

export function squared(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

/** JᵀJ and Jᵀr. */
function normalEquations({ values, rows }: Residuals) {
  const size = rows[0]?.length ?? 0;
  const gradient = new Array<number>(size).fill(0);
  const curvature = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  rows.forEach((row, point) => {
    for (let i = 0; i < size; i++) {
      gradient[i]! += row[i]! * values[point]!;
      for (let j = 0; j < size; j++) curvature[i]![j]! += row[i]! * row[j]!;
    }
  });
  return { gradient, curvature };
}
