/**
 * Resizes images exactly as Pillow does, and so torchvision on PIL images: a horizontal pass rounded to bytes before the
 * vertical one. Plain TypeScript, for images of any number of channels; the image addon does the same faster for colours.
 */
import { type Plan, planOf, type View } from './plan.js';
import { PRECISION_BITS, type Weights } from './weights.js';

const HALF = 2 ** (PRECISION_BITS - 1);

/** `[height, width, channels]` */
export type Shape = readonly [height: number, width: number, channels: number];

/**
 * @param pixels `[height, width, channels]` bytes; borrowed
 * @param shape of `pixels`
 * @param out `[view.window.height, view.window.width, channels]`, written
 * @throws OptionsError when the crop or the window lies outside
 */
export function resample(pixels: Uint8Array, shape: Shape, view: View, out: Uint8Array): void {
  resamplePlanned(pixels, shape, planOf(view, shape[1], shape[0]), out);
}

/** `resample` with a plan that is there already. */
export function resamplePlanned(pixels: Uint8Array, shape: Shape, plan: Plan, out: Uint8Array): void {
  const [, width, channels] = shape;
  const { across: horizontal, down: vertical, outWidth, outHeight } = plan;
  let source = pixels;
  let sourceRow = width * channels;
  let sourceStart = plan.y * sourceRow + plan.x * channels;
  const outRow = outWidth * channels;
  if (horizontal) {
    source = new Uint8Array(plan.height * outRow);
    if (channels === 3) acrossRgb(pixels, sourceStart, sourceRow, plan.height, horizontal, source);
    else across(pixels, sourceStart, sourceRow, plan.height, channels, horizontal, source);
    sourceRow = outRow;
    sourceStart = 0;
  }
  if (vertical) down(source, sourceStart, sourceRow, outRow, vertical, out);
  else
    for (let y = 0; y < outHeight; y++) {
      const from = sourceStart + y * sourceRow;
      out.set(source.subarray(from, from + outRow), y * outRow);
    }
  if (plan.mirror) mirrorRows(out, outHeight, outWidth, channels);
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

function down(
  pixels: Uint8Array,
  start: number,
  rowBytes: number,
  outRow: number,
  { first, count, weights, taps }: Weights,
  out: Uint8Array,
): void {
  const sums = new Int32Array(outRow);
  for (let y = 0; y < first.length; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * taps + k]!;
      const from = start + (first[y]! + k) * rowBytes;
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
