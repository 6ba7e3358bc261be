/**
 * Our own convolutions, for shapes at which libtorch's kernels are idle most of the time: on a CPU as products of matrices, one
 * row a patch of the image (native/operators/convolution.cpp), and depthwise ones.
 */
import type { Aten, TorchTensor } from '../aten.js';
import { isOnCpu } from '../device.js';
import type { Geometry } from './convolution.js';

export type Pass = 'forward' | 'input' | 'filter';

/** Up to so many pixels of an output image a product is the faster one, by `scripts/bench-convolutions.mjs`. */
const MOST_PIXELS: Readonly<Record<string, Record<Pass, number>>> = {
  float32: { forward: 16, input: 16, filter: 16 },
  bfloat16: { forward: 16, input: 16, filter: 64 },
};
/** Filters of one pixel, whose patches are the image's own. */
const MOST_PIXELS_POINTWISE = 256;

/**
 * Whether a convolution is a product of matrices; on a GPU, where its patches are the images themselves.
 *
 * @param dtype of both operands
 */
export function isProduct(shape: Geometry, pass: Pass, dtype: string): boolean {
  const { info } = shape;
  const most = MOST_PIXELS[dtype]?.[pass];
  if (most === undefined || info.dataFormat !== 'channelsLast') return false;
  if (!isOnCpu()) return isOfWholeImages(shape);
  const isPointwise = info.filterHeight * info.filterWidth === 1;
  return info.outHeight * info.outWidth <= (isPointwise ? MOST_PIXELS_POINTWISE : most);
}

/** Each window is an image. */
function isOfWholeImages({ info, dilation }: Geometry): boolean {
  const isUnpadded = Object.values(info.padInfo).every(pad => !(Number(pad) > 0));
  return (
    isUnpadded &&
    info.outHeight * info.outWidth === 1 &&
    info.filterHeight === info.inHeight &&
    info.filterWidth === info.inWidth &&
    dilation.every(step => step === 1)
  );
}

/** @param x `[n, h, w, i]`; @param filter `[h, w, i, o]`; @param bias `[o]` */
export function patchConvolution(
  aten: Aten,
  x: TorchTensor,
  filter: TorchTensor,
  bias: TorchTensor | null,
  shape: Geometry,
): TorchTensor {
  return aten('padezoo::patch_convolution', x, filter, bias, shape.stride, paddingOf(shape), shape.dilation);
}

/**
 * Whether a depthwise convolution is ours: on a GPU all of it (native/depthwise_cuda.cu), on a CPU its gradients
 * (native/operators/depthwise.cpp), as libtorch's forward pass is fast there.
 */
export function isOwnDepthwise({ info }: Geometry, pass: Pass, dtype: string): boolean {
  const isSingle = info.outChannels === info.inChannels;
  const isOurs = isSingle && info.dataFormat === 'channelsLast' && dtype in MOST_PIXELS;
  return isOurs && (pass !== 'forward' || !isOnCpu());
}

/** @param x `[n, h, w, c]`; @param filter `[h, w, c, 1]` */
export function depthwiseConvolution(
  aten: Aten,
  x: TorchTensor,
  filter: TorchTensor,
  shape: Geometry,
): TorchTensor {
  return aten('padezoo::depthwise', x, filter, shape.stride, paddingOf(shape), shape.dilation);
}

/** A gradient; the operator must be told the sides of what it is for. */
const gradient =
  (operator: string, sidesOf: (info: Geometry['info']) => number[]) =>
  (aten: Aten, dy: TorchTensor, other: TorchTensor, shape: Geometry): TorchTensor =>
    aten(
      `padezoo::${operator}`,
      dy,
      other,
      sidesOf(shape.info),
      shape.stride,
      paddingOf(shape),
      shape.dilation,
    );
const image = ({ inHeight, inWidth }: Geometry['info']) => [inHeight, inWidth];
const filter = ({ filterHeight, filterWidth }: Geometry['info']) => [filterHeight, filterWidth];

/** dy `[n, oh, ow, o]`, filter `[h, w, i, o]` -> `[n, h, w, i]` */
export const patchInputGradient = gradient('patch_convolution_input', image);
/** dy `[n, oh, ow, o]`, x `[n, h, w, i]` -> `[h, w, i, o]`, in the memory that `filterLayout` gives a filter */
export const patchFilterGradient = gradient('patch_convolution_filter', filter);
/** dy `[n, oh, ow, c]`, filter `[h, w, c, 1]` -> `[n, h, w, c]` */
export const depthwiseInputGradient = gradient('depthwise_input', image);
/** dy `[n, oh, ow, c]`, x `[n, h, w, c]` -> `[h, w, c, 1]`, float32 */
export const depthwiseFilterGradient = gradient('depthwise_filter', filter);

/** Top, bottom, left, right; what the last window does not reach is cut off. */
function paddingOf({ info, stride, dilation }: Geometry): number[] {
  const { top, left } = info.padInfo;
  const after = (size: number, filter: number, out: number, before: number, axis: 0 | 1) =>
    (out - 1) * stride[axis] + dilation[axis] * (filter - 1) + 1 - size - before;
  return [
    top,
    after(info.inHeight, info.filterHeight, info.outHeight, top, 0),
    left,
    after(info.inWidth, info.filterWidth, info.outWidth, left, 1),
  ];
}
