/** Scores of filters: the lowest go first. */

/** `'sum'`: the signed sum of a filter's weights, the paper's letter (A.4.3); `'l1'`: of their magnitudes (Li et al. 2017). */
export const CRITERIA = ['sum', 'l1'] as const;
export type Criterion = (typeof CRITERIA)[number];

const TERMS: Readonly<Record<Criterion, (weight: number) => number>> = { sum: w => w, l1: Math.abs };

/**
 * A score per filter.
 *
 * @param kernel `[h, w, in, out]` in row-major order
 * @param filters `out`
 */
export function filterScores(kernel: Float32Array, filters: number, criterion: Criterion): Float64Array {
  const term = TERMS[criterion];
  const scores = new Float64Array(filters);
  for (let i = 0; i < kernel.length; i++) scores[i % filters]! += term(kernel[i]!);
  return scores;
}

/** Indices of the `count` highest scores, rising; of equal scores the first are kept. */
export function highest(scores: Float64Array, count: number): number[] {
  const ranked = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return ranked.slice(0, count).sort((a, b) => a - b);
}
