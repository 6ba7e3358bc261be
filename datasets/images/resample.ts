/**
 * Resizes images exactly as Pillow does, and so torchvision on PIL images: filters that widen when an image shrinks,
 * 22-bit fixed-point weights, a horizontal pass rounded to bytes before the vertical one (Pillow, `Resample.c`).
 */
import { OptionsError } from '../../src/errors.js';

export type Filter = 'box' | 'bilinear' | 'bicubic' | 'lanczos';

/** In whole pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What is seen of an image: a part of it, resized, of which a window is kept, mirrored or not. */
export interface View {
  /** The part of the image that is resized. */
  readonly crop: Box;
  /** Its size afterwards. */
  readonly size: { readonly width: number; readonly height: number };
  /** The part of the resized image that is kept. */
  readonly window: Box;
  readonly mirror: 'none' | 'horizontal';
  readonly filter: Filter;
}

const PRECISION_BITS = 32 - 8 - 2; // as Pillow: products of bytes and weights fit 32 bits
const ONE = 2 ** PRECISION_BITS;
const HALF = 2 ** (PRECISION_BITS - 1);

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

/** For every output pixel: its first input pixel, how many there are, and their weights. */
interface Weights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `[outputs, taps]`, in 2^-22 */
  readonly weights: Int32Array;
  readonly taps: number;
}

/** @param from the first output that is wanted, `outputs` how many */
function weightsOf(inputs: number, size: number, from: number, outputs: number, filter: Filter): Weights {
  const { support: reach, weight } = FILTERS[filter];
  const scale = inputs / size;
  const filterScale = Math.max(scale, 1);
  const support = reach * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const weights = new Int32Array(outputs * taps);
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

/**
 * @param pixels `[height, width, channels]` bytes; borrowed
 * @param shape `[height, width, channels]` of `pixels`
 * @param out `[view.window.height, view.window.width, channels]`, written
 * @throws OptionsError when the crop or the window lies outside
 */
export function resample(
  pixels: Uint8Array,
  shape: readonly [height: number, width: number, channels: number],
  view: View,
  out: Uint8Array,
): void {
  const [height, width, channels] = shape;
  const { crop, size, window, mirror, filter } = view;
  requireInside('crop', crop, width, height);
  requireInside('window', window, size.width, size.height);
  const rowBytes = width * channels;
  const start = crop.y * rowBytes + crop.x * channels;

  const vertical = weightsOf(crop.height, size.height, window.y, window.height, filter);
  const last = window.height - 1;
  const resizesDown = size.height !== crop.height; // Pillow leaves a pass out that would change nothing
  const top = resizesDown ? vertical.first[0]! : window.y;
  const bottom = resizesDown ? vertical.first[last]! + vertical.count[last]! : window.y + window.height;

  let source = pixels;
  let sourceRow = rowBytes;
  let sourceStart = start + top * rowBytes;
  if (size.width === crop.width) {
    sourceStart += window.x * channels;
  } else {
    const horizontal = weightsOf(crop.width, size.width, window.x, window.width, filter);
    source = new Uint8Array((bottom - top) * window.width * channels);
    if (channels === 3) acrossRgb(pixels, sourceStart, rowBytes, bottom - top, horizontal, source);
    else across(pixels, sourceStart, rowBytes, bottom - top, channels, horizontal, source);
    sourceRow = window.width * channels;
    sourceStart = 0;
  }
  const outRow = window.width * channels;
  if (!resizesDown) {
    for (let y = 0; y < window.height; y++) {
      const from = sourceStart + y * sourceRow; // `top` is the window's first row
      out.set(source.subarray(from, from + outRow), y * outRow);
    }
  } else down(source, sourceStart, sourceRow, top, outRow, vertical, out);
  if (mirror === 'horizontal') mirrorRows(out, window.height, window.width, channels);
}

function acrossRgb(
  pixels: Uint8Array,
  start: number,
  rowBytes: number,
  rows: number,
  { first, count, weights, taps }: Weights,
  out: Uint8Array,
): void {
  let to = 0;
  for (let y = 0; y < rows; y++) {
    const row = start + y * rowBytes;
    for (let x = 0; x < first.length; x++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = row + 3 * first[x]!;
      const tap = x * taps;
      for (let k = tap, end = tap + count[x]!; k < end; k++, from += 3) {
        const weight = weights[k]!;
        red = (red + Math.imul(pixels[from]!, weight)) | 0;
        green = (green + Math.imul(pixels[from + 1]!, weight)) | 0;
        blue = (blue + Math.imul(pixels[from + 2]!, weight)) | 0;
      }
      out[to] = clip(red);
      out[to + 1] = clip(green);
      out[to + 2] = clip(blue);
      to += 3;
    }
  }
}

function across(
  pixels: Uint8Array,
  start: number,
  rowBytes: number,
  rows: number,
  channels: number,
  { first, count, weights, taps }: Weights,
  out: Uint8Array,
): void {
  let to = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < first.length; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        let from = start + y * rowBytes + channels * first[x]! + c;
        for (let k = x * taps, end = k + count[x]!; k < end; k++, from += channels)
          sum = (sum + Math.imul(pixels[from]!, weights[k]!)) | 0;
        out[to++] = clip(sum);
      }
    }
  }
}

/** @param top the row that `start` stands for, in the rows that the weights count */
function down(
  pixels: Uint8Array,
  start: number,
  rowBytes: number,
  top: number,
  outRow: number,
  { first, count, weights, taps }: Weights,
  out: Uint8Array,
): void {
  const sums = new Int32Array(outRow);
  for (let y = 0; y < first.length; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * taps + k]!;
      const from = start + (first[y]! - top + k) * rowBytes;
      for (let i = 0; i < outRow; i++) sums[i] = sums[i]! + Math.imul(pixels[from + i]!, weight);
    }
    const to = y * outRow;
    for (let i = 0; i < outRow; i++) out[to + i] = clip(sums[i]!);
  }
}

function clip(sum: number): number {
  return Math.max(0, Math.min(255, sum >> PRECISION_BITS));
}

/** In place. */
export function mirrorRows(pixels: Uint8Array, height: number, width: number, channels: number): void {
  for (let y = 0; y < height; y++) {
    let left = y * width * channels;
    let right = left + (width - 1) * channels;
    for (; left < right; left += channels, right -= channels)
      for (let c = 0; c < channels; c++) {
        const value = pixels[left + c]!;
        pixels[left + c] = pixels[right + c]!;
        pixels[right + c] = value;
      }
  }
}

function requireInside(
  what: string,
  { x, y, width: w, height: h }: Box,
  width: number,
  height: number,
): void {
  const whole = [x, y, w, h].every(Number.isInteger);
  if (!whole || x < 0 || y < 0 || w < 1 || h < 1 || x + w > width || y + h > height)
    throw new OptionsError(
      `resample: the ${what} must lie inside ${width} x ${height}, in whole pixels, got ${w} x ${h} at (${x}, ${y})`,
    );
}
