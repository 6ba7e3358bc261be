/** How often each value occurs: counts in equal bins, as plain data. */

/** `counts[i]` is for `[min + i·w, min + (i + 1)·w)`, w = (max - min) / counts.length; `max` itself is in the last bin. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly counts: readonly number[];
}

/** Values outside [min, max] and NaN are left out; where min = max, all are in the first bin. */
export function histogramOf(
  values: ArrayLike<number>,
  { min, max, bins }: { readonly min: number; readonly max: number; readonly bins: number },
): Histogram {
  const counts = new Array<number>(bins).fill(0);
  const scale = max > min ? bins / (max - min) : 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value >= min && value <= max) counts[Math.min(bins - 1, Math.floor((value - min) * scale))]!++;
  }
  return { min, max, counts };
}
