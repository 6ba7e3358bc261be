/** The weights of Pillow's filters (its `Resample.c`), which widen when an image shrinks, in 22-bit fixed point. */

export type Filter = 'box' | 'bilinear' | 'bicubic' | 'lanczos';

export const PRECISION_BITS = 32 - 8 - 2; // as Pillow: products of bytes and weights fit 32 bits
const ONE = 2 ** PRECISION_BITS;

const FILTERS: Readonly<Record<Filter, { support: number; weight(x: number): number }>> = {
  box: { support: 0.5, weight: x => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: {
    support: 1,
    weight(x) {
      const distance = Math.abs(x);
      return distance < 1 ? 1 - distance : 0;
    },
  },
  bicubic: {
    support: 2,
    weight(x) {
      const a = -0.5;
      const d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** For every output pixel of an axis: its first input pixel, how many there are, and their weights. */
export interface Weights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `[outputs, taps]`, in 2^-22 */
  readonly weights: Int32Array;
  readonly taps: number;
}

/** @param from the first output that is wanted, `outputs` how many */
export function weightsOf(
  inputs: number,
  size: number,
  from: number,
  outputs: number,
  filter: Filter,
): Weights {
  const { support: reach, weight } = FILTERS[filter];
  const scale = inputs / size;
  const filterScale = Math.max(scale, 1);
  const support = reach * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const memory = new Int32Array(outputs * (2 + taps)); // one, because the collector counts them
  const first = memory.subarray(0, outputs);
  const count = memory.subarray(outputs, 2 * outputs);
  const weights = memory.subarray(2 * outputs);
  const values = new Float64Array(taps);
  const step = 1 / filterScale;
  for (let i = 0; i < outputs; i++) {
    const center = (from + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(inputs, Math.trunc(center + support + 0.5));
    let sum = 0;
    for (let j = 0; j < end - start; j++) {
      values[j] = weight((j + start - center + 0.5) * step);
      sum += values[j]!;
    }
    for (let j = 0; j < end - start; j++) {
      const value = sum === 0 ? values[j]! : values[j]! / sum;
      weights[i * taps + j] = Math.trunc((value < 0 ? -0.5 : 0.5) + value * ONE);
    }
    first[i] = start;
    count[i] = end - start;
  }
  return { first, count, weights, taps };
}
