/** Which part of an image is seen, as torchvision's standard ImageNet transforms choose it. */
import type { RandomStream } from '../../src/random.js';
import type { View } from './plan.js';
import type { Filter } from './weights.js';

/** Plain data, so that a worker can be told. */
export type Viewing =
  /** RandomResizedCrop and RandomHorizontalFlip. */
  | {
      readonly name: 'random-resized-crop';
      /** Pixels on each side of what is seen. */
      readonly size: number;
      /** Share of the image's area. */
      readonly scale: readonly [number, number];
      /** Width by height. */
      readonly ratio: readonly [number, number];
      readonly flip: number;
      readonly filter: Filter;
    }
  /** Resize of the short side, and CenterCrop. */
  | { readonly name: 'center-crop'; readonly resize: number; readonly size: number; readonly filter: Filter };

const ATTEMPTS = 10; // as torchvision, before it takes the middle

/** torchvision's `RandomResizedCrop(size)` and `RandomHorizontalFlip()`. */
export function randomResizedCrop(size: number): Viewing {
  return {
    name: 'random-resized-crop',
    size,
    scale: [0.08, 1],
    ratio: [3 / 4, 4 / 3],
    flip: 0.5,
    filter: 'bilinear',
  };
}

/** torchvision's `Resize(resize)` and `CenterCrop(size)`. */
export function centerCrop(size: number, resize = Math.round(size / 0.875)): Viewing {
  return { name: 'center-crop', resize, size, filter: 'bilinear' };
}

/**
 * @param random the image's own stream; drawn from in an order that is part of the format: for each attempt area and
 *   ratio, then the corner, then the flip
 */
export function viewOf(viewing: Viewing, width: number, height: number, random: () => RandomStream): View {
  return viewing.name === 'center-crop'
    ? centered(viewing, width, height)
    : randomlyCropped(viewing, width, height, random());
}

function randomlyCropped(
  { size, scale, ratio, flip, filter }: Extract<Viewing, { name: 'random-resized-crop' }>,
  width: number,
  height: number,
  random: RandomStream,
): View {
  const between = (low: number, high: number) => low + (high - low) * random.uniform();
  const crop = (() => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const area = width * height * between(...scale);
      const aspect = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1])));
      const w = roundHalfToEven(Math.sqrt(area * aspect));
      const h = roundHalfToEven(Math.sqrt(area / aspect));
      if (w > 0 && w <= width && h > 0 && h <= height) {
        const y = random.below(height - h + 1);
        const x = random.below(width - w + 1);
        return { x, y, width: w, height: h };
      }
    }
    const whole = width / height;
    const w = whole > ratio[1] ? roundHalfToEven(height * ratio[1]) : width;
    const h = whole < ratio[0] ? roundHalfToEven(width / ratio[0]) : height;
    return { x: Math.floor((width - w) / 2), y: Math.floor((height - h) / 2), width: w, height: h };
  })();
  return {
    crop,
    size: { width: size, height: size },
    window: { x: 0, y: 0, width: size, height: size },
    mirror: random.uniform() < flip ? 'horizontal' : 'none',
    filter,
  };
}

function centered(
  { resize, size, filter }: Extract<Viewing, { name: 'center-crop' }>,
  width: number,
  height: number,
): View {
  const long = (by: number, of: number) => Math.trunc((resize * by) / of); // torchvision truncates
  const resized =
    width <= height
      ? { width: resize, height: long(height, width) }
      : { width: long(width, height), height: resize };
  return {
    crop: { x: 0, y: 0, width, height },
    size: resized,
    window: {
      x: roundHalfToEven((resized.width - size) / 2),
      y: roundHalfToEven((resized.height - size) / 2),
      width: size,
      height: size,
    },
    mirror: 'none',
    filter,
  };
}

/** Python's `round`. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
