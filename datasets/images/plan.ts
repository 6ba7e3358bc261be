/** Works out which pixels of an image a view is made of, and with which weights: what every resampler goes by. */
import { OptionsError } from '../../src/errors.js';
import { type Filter, type Weights, weightsOf } from './weights.js';

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

/** The part of an image that a view is made of, and what is done with it. */
export interface Plan extends Box {
  readonly outWidth: number;
  readonly outHeight: number;
  /** Left and right change places at the end. */
  readonly mirror: boolean;
  /** Weights count from the part's left edge; null where a pass would change nothing, which Pillow leaves out. */
  readonly across: Weights | null;
  /** From its upper edge. */
  readonly down: Weights | null;
}

/**
 * @param width of the image
 * @throws OptionsError when the crop or the window lies outside
 */
export function planOf({ crop, size, window, mirror, filter }: View, width: number, height: number): Plan {
  requireInside('crop', crop, width, height);
  requireInside('window', window, size.width, size.height);
  const horizontal = axis(crop.width, size.width, window.x, window.width, filter);
  const vertical = axis(crop.height, size.height, window.y, window.height, filter);
  return {
    x: crop.x + horizontal.from,
    y: crop.y + vertical.from,
    width: horizontal.length,
    height: vertical.length,
    outWidth: window.width,
    outHeight: window.height,
    mirror: mirror === 'horizontal',
    across: horizontal.weights,
    down: vertical.weights,
  };
}

/** The stretch of the inputs that is touched, and the weights from there on. */
function axis(inputs: number, size: number, from: number, outputs: number, filter: Filter) {
  if (size === inputs) return { from, length: outputs, weights: null };
  const weights = weightsOf(inputs, size, from, outputs, filter);
  const start = weights.first[0]!;
  const last = outputs - 1;
  const end = weights.first[last]! + weights.count[last]!;
  for (let i = 0; i < outputs; i++) weights.first[i]! -= start;
  return { from: start, length: end - start, weights };
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
