/** Which channels stay: the highest-scoring ones, of each group or of all groups together. */
import type { CouplingGraph, WidthGroup } from './graph.js';
import { type Bounds, gone, keptChannels, type Widths } from './schedule.js';

/** Per group of the graph: rising indices into its present width. */
export type Selection = readonly (readonly number[])[];

/** The `counts[i]` highest-scoring channels of group i. */
export function selectByLayer(
  { groups }: CouplingGraph,
  scores: Float64Array,
  counts: readonly number[],
): Selection {
  return groups.map((group, i) => highest(group, scores, counts[i]!));
}

/**
 * The highest-scoring channels of all groups together, as many as `percent` leaves of all. Scores are divided by the mean
 * of their magnitudes in the group, so that convolutions with few and with many weights a filter compare.
 */
export function selectGlobally(
  { groups }: CouplingGraph,
  scores: Float64Array,
  widths: readonly Widths[],
  percent: number,
  bounds: Bounds,
): Selection {
  const total = (of: (widths: Widths) => number) => widths.reduce((sum, each) => sum + of(each), 0);
  const base = total(({ original, present }) => (bounds.percentOf === 'original' ? original : present));
  const excess = total(({ present }) => present) - (base - gone(base, percent));
  const comparable = scores.slice();
  for (const { first, width } of groups) {
    const own = comparable.subarray(first, first + width);
    const mean = own.reduce((sum, score) => sum + Math.abs(score), 0) / width;
    if (mean > 0) for (const [i, score] of own.entries()) own[i] = score / mean;
  }
  const counts = groups.map(({ width }) => width);
  const groupOf = groups.flatMap(({ width }, i) => new Array<number>(width).fill(i));
  const ranked = groupOf
    .map((_, channel) => channel)
    .sort((a, b) => comparable[a]! - comparable[b]! || b - a);
  let left = excess;
  for (const channel of ranked) {
    if (left <= 0) break;
    const group = groupOf[channel]!;
    if (counts[group]! <= bounds.minFilters) continue;
    counts[group]!--;
    left--;
  }
  return groups.map((group, i) => {
    const aligned = keptChannels({ original: counts[i]!, present: group.width }, 0, {
      ...bounds,
      percentOf: 'original',
    });
    return highest(group, scores, aligned);
  });
}

/** Indices of the `count` highest scores, rising; of equal scores the first are kept. Every member keeps a filter. */
function highest({ first, width, members }: WidthGroup, scores: Float64Array, count: number): number[] {
  const ranked = Array.from({ length: width }, (_, i) => i).sort(
    (a, b) => scores[first + b]! - scores[first + a]! || a - b,
  );
  // A convolution that makes only some of the group's channels must not lose all of them.
  const partial = members
    .map(({ channels }) => new Set(channels))
    .filter(({ size }) => size < width)
    .sort((a, b) => a.size - b.size);
  const needed = new Set<number>();
  for (const channels of partial) {
    const own = ranked.filter(index => channels.has(first + index));
    if (!own.some(index => needed.has(index))) needed.add(own[0]!);
  }
  const others = ranked.filter(index => !needed.has(index));
  const chosen = [...needed, ...others.slice(0, Math.max(0, count - needed.size))];
  return chosen.sort((a, b) => a - b);
}
