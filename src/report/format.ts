/** Numbers as people read them, the same in every locale; what is not a number is a dash. */

/** 61746 -> `61,746` */
export function count(value: number): string {
  return Number.isFinite(value) ? value.toLocaleString('en-US', { maximumFractionDigits: 0 }) : '–';
}

/** 0.8453 -> `84.5 %` */
export function percent(fraction: number): string {
  return Number.isFinite(fraction) ? `${(fraction * 100).toFixed(1)} %` : '–';
}

/** 0.41237 -> `0.412` */
export function decimal(value: number, digits = 3): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–';
}

/** 93.4 -> `1 min 33 s` */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.round(seconds);
  return whole < 60 ? `${decimal(seconds, 1)} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** What a step is called. */
export function stepName(percentPruned: number): string {
  return percentPruned === 0 ? 'unpruned' : `${percentPruned} % pruned`;
}
