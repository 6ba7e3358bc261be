/** Numbers as people read them, the same in every locale; what is not a number is a dash. */

const NONE = '–';

/** 61746 -> `61,746` */
export function count(value: number): string {
  return Number.isFinite(value) ? signed(value.toLocaleString('en-US', { maximumFractionDigits: 0 })) : NONE;
}

/** 61746 -> `62k`, 2_340_000 -> `2.3M`: for axes. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${short(value / 1e9)}G`;
  if (size >= 1e6) return `${short(value / 1e6)}M`;
  return size >= 1e3 ? `${short(value / 1e3)}k` : short(value);
}

/** 0.8453 -> `84.5 %` */
export function percent(fraction: number): string {
  return Number.isFinite(fraction) ? `${signed((fraction * 100).toFixed(1))} %` : NONE;
}

/** 0.0032 -> `+0.3 points` */
export function points(difference: number): string {
  if (!Number.isFinite(difference)) return NONE;
  const size = Math.abs(difference * 100).toFixed(1);
  if (size === '0.0') return '±0.0 points';
  return `${difference < 0 ? '−' : '+'}${size} points`;
}

/** 0.41237 -> `0.412` */
export function decimal(value: number, digits = 3): string {
  return Number.isFinite(value) ? signed(value.toFixed(digits)) : NONE;
}

/** 0.0000123456 -> `1.235e-5`, 3.969 -> `3.969` */
export function significant(value: number, digits = 4): string {
  return Number.isFinite(value) ? signed(`${Number(value.toPrecision(digits))}`) : NONE;
}

/** 93.4 -> `1 min 33 s` */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return NONE;
  const whole = Math.round(seconds);
  if (whole < 60) return `${decimal(seconds, 1)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** What a step is called. */
export function stepName(percentPruned: number): string {
  return percentPruned === 0 ? 'unpruned' : `${share(percentPruned)} pruned`;
}

/** The same where room is short. */
export function shortStepName(percentPruned: number): string {
  return percentPruned === 0 ? 'unpruned' : share(percentPruned);
}

const share = (percentPruned: number) => `${significant(percentPruned, 3)} %`;

const short = (value: number) => significant(value, 3);

/** With a minus, not a hyphen. */
const signed = (digits: string) => digits.replace(/^-/, '−');
