/** How many filters are left after each step. */
import { OptionsError } from '../src/errors.js';

/**
 * Filters that are left of `width` when `percent` of them are gone: floor(width · percent / 100) are removed, so at least
 * one is left. In whole numbers: in floats 0.1 · 30 is 3.0000000000000004.
 */
export function keptFilters(width: number, percent: number): number {
  return width - Math.floor((width * Math.round(percent * 1000)) / 100_000);
}

/** @throws OptionsError unless the percentages rise within (0, 100) */
export function checkSteps(steps: readonly number[]): void {
  const rising = steps.every((percent, i) => percent > (steps[i - 1] ?? 0) && percent < 100);
  if (steps.length > 0 && rising) return;
  throw new OptionsError(`prune: steps must rise within (0, 100), got [${steps.join(', ')}]`);
}
