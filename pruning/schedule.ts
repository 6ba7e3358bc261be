/** How many channels are left after each step. */
import { OptionsError } from '../src/errors.js';

/** What a percentage counts from: `'original'`, the width before any pruning; `'remaining'`, what the last step left (it compounds). */
export const PERCENT_OF = ['original', 'remaining'] as const;
export type PercentOf = (typeof PERCENT_OF)[number];

export interface Widths {
  /** Before any pruning. */
  readonly original: number;
  /** Now. */
  readonly present: number;
}

export interface Bounds {
  readonly percentOf: PercentOf;
  /** A group keeps at least so many channels. */
  readonly minFilters: number;
  /** The kept count is rounded to the nearest multiple, never to zero and never above what is there. */
  readonly roundTo: number;
}

/**
 * Channels that are left of a group when `percent` of them are gone: floor(width · percent / 100) are removed, so at
 * least one is left. In whole numbers: in floats 0.1 · 30 is 3.0000000000000004.
 */
export function keptChannels(
  { original, present }: Widths,
  percent: number,
  { percentOf, minFilters, roundTo }: Bounds,
): number {
  const width = percentOf === 'original' ? original : present;
  const exact = width - gone(width, percent);
  const aligned = Math.max(1, Math.round(exact / roundTo)) * roundTo;
  return Math.min(present, Math.max(aligned, minFilters));
}

/** Channels that `percent` of `width` are, rounded down. */
export function gone(width: number, percent: number): number {
  return Math.floor((width * Math.round(percent * 1000)) / 100_000);
}

/** @throws OptionsError unless the percentages rise within (0, 100) */
export function checkSteps(steps: readonly number[]): void {
  const rising = steps.every((percent, i) => percent > (steps[i - 1] ?? 0) && percent < 100);
  if (steps.length > 0 && rising) return;
  throw new OptionsError(`prune: steps must rise within (0, 100), got [${steps.join(', ')}]`);
}
