/** The number formats of safetensors: their sizes, and how each becomes float32 and is made of it. */

export interface Dtype {
  /** Of an element. */
  readonly bytes: number;
  /** @param buffer of whole elements, aligned */
  read(buffer: ArrayBuffer): ArrayLike<number>;
}

export const DTYPES = {
  F64: { bytes: 8, read: buffer => new Float64Array(buffer) },
  F32: { bytes: 4, read: buffer => new Float32Array(buffer) },
  F16: { bytes: 2, read: buffer => Float32Array.from(new Uint16Array(buffer), halfToNumber) },
  BF16: { bytes: 2, read: brainToFloats },
  I64: { bytes: 8, read: buffer => Float64Array.from(new BigInt64Array(buffer), Number) },
  I32: { bytes: 4, read: buffer => new Int32Array(buffer) },
  U8: { bytes: 1, read: buffer => new Uint8Array(buffer) },
} as const satisfies Readonly<Record<string, Dtype>>;
export type DtypeName = keyof typeof DTYPES;

/** What floats can be stored as. */
export type FloatStorage = 'float32' | 'float16' | 'bfloat16';

/** IEEE 754 binary16. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The upper half of a float32. */
function brainToFloats(buffer: ArrayBuffer): Float32Array {
  return new Float32Array(Uint32Array.from(new Uint16Array(buffer), bits => bits << 16).buffer);
}

/** To the nearest, ties to even, as IEEE 754 rounds; beyond 65504 it is infinite. */
export function floatsToHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, word => {
    const sign = (word >>> 16) & 0x8000;
    const exponent = (word >>> 23) & 0xff;
    const fraction = word & 0x7fffff;
    if (exponent === 0xff) return sign | 0x7c00 | (fraction ? 0x200 : 0);
    const shifted = exponent - 112; // binary16's bias is 15, float32's 127
    if (shifted >= 31) return sign | 0x7c00;
    if (shifted < -10) return sign; // less than half of the smallest subnormal
    // A subnormal loses the digits below 2^-24.
    const whole = shifted > 0 ? (shifted << 23) | fraction : (fraction | 0x800000) >>> (1 - shifted);
    const lost = shifted > 0 ? 0 : (fraction | 0x800000) & ((1 << (1 - shifted)) - 1);
    const below = whole & 0x1fff;
    const kept = whole >>> 13;
    const up = below > 0x1000 || (below === 0x1000 && (lost > 0 || (kept & 1) === 1));
    return sign | (kept + (up ? 1 : 0)); // may carry into the exponent, as it should
  });
}

/** To the nearest, ties to even. */
export function floatsToBrains(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, word => {
    if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40; // stays a NaN
    return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  });
}
