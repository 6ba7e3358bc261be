/** Windows that slide over the spatial axes of a channels-first view: tfjs's padding, which may be uneven, in libtorch's terms. */
import type { Aten, TorchTensor } from '../aten.js';

/** One spatial axis as tfjs has worked it out. */
export interface SlidingAxis {
  readonly size: number;
  /** the window's, holes of a dilation included */
  readonly reach: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
  /** windows along the axis */
  readonly out: number;
}

export interface Padding {
  /** Even padding, one number an axis, that libtorch applies itself. */
  readonly even: number[];
  /** `[before, after]` of each axis that must be padded by hand; a negative one cuts. */
  readonly byHand: readonly (readonly [number, number])[] | undefined;
}

/** Pads by hand only where tfjs's padding is uneven, or where its rounding yields other windows than libtorch's. */
export function paddingOf(axes: readonly SlidingAxis[]): Padding {
  const isEven = axes.every(
    ({ size, reach, stride, before, after, out }) =>
      before === after && Math.floor((size + 2 * before - reach) / stride) + 1 === out,
  );
  if (isEven) return { even: axes.map(({ before }) => before), byHand: undefined };
  return {
    even: axes.map(() => 0),
    byHand: axes.map(({ size, reach, stride, before, out }) => [
      before,
      (out - 1) * stride + reach - size - before,
    ]),
  };
}

/** `x` `[n, c, ...spatial]` with the padding that libtorch cannot apply itself. */
export function padded(aten: Aten, x: TorchTensor, { byHand }: Padding, fill: number): TorchTensor {
  return byHand ? aten('constant_pad_nd', x, lastAxisFirst(byHand), fill) : x;
}

/** Takes what `padded` added off a gradient. */
export function unpadded(aten: Aten, dx: TorchTensor, { byHand }: Padding): TorchTensor {
  if (!byHand) return dx;
  if (byHand.some(([, after]) => after < 0)) {
    const off = byHand.map(([before, after]) => [-before, -after] as const);
    return aten('constant_pad_nd', dx, lastAxisFirst(off), 0); // what was cut has no gradient
  }
  return byHand.reduce(
    (x, [before, after], i) => aten('narrow', x, i + 2, before, x.shape[i + 2]! - before - after),
    dx,
  );
}

/** libtorch lists `[before, after]` from the last axis to the first. */
export function lastAxisFirst(pads: readonly (readonly [number, number])[]): number[] {
  return [...pads].reverse().flat();
}
