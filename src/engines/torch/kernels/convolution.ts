/** Convolutions on NHWC tensors: the same bytes are channels_last to libtorch, so nothing is transposed in memory. */
import { backend_util, util } from '@tensorflow/tfjs-core';
import { EngineError } from '../addon.js';
import type { Aten, PendingTensor, TorchTensor } from '../aten.js';
import { isOnCpu } from '../device.js';
import type { Attributes, Call, Kernels } from '../kernel.js';
import { enginePrecision, operand } from '../precision.js';
import { activate } from './fusedActivation.js';
import {
  depthwiseConvolution,
  depthwiseFilterGradient,
  depthwiseInputGradient,
  isOwnDepthwise,
  isProduct,
  patchConvolution,
  patchFilterGradient,
  patchInputGradient,
} from './ownConvolution.js';
import { type Padding, padded, paddingOf, unpadded } from './windows.js';

const NCHW_TO_NHWC = [0, 2, 3, 1];
const NHWC_TO_NCHW = [0, 3, 1, 2];
const HWIO_TO_OIHW = [3, 2, 0, 1];
const OIHW_TO_HWIO = [2, 3, 1, 0];
/** Depthwise: [h, w, channels, multiplier] -> [channels, multiplier, h, w] */
const HWCM_TO_CMHW = [2, 3, 0, 1];
const CHANNELS_LAST = 2; // c10::MemoryFormat

export function toNchw(aten: Aten, x: TorchTensor): TorchTensor {
  return aten('permute', x, NHWC_TO_NCHW);
}

export function toNhwc(aten: Aten, x: TorchTensor): TorchTensor {
  return aten('permute', x, NCHW_TO_NHWC);
}

/** Everything that a convolution's three kernels share. */
export interface Geometry {
  readonly stride: [number, number];
  readonly dilation: [number, number];
  readonly padding: Padding;
  readonly info: backend_util.Conv2DInfo;
}

/** tfjs's padding rules in libtorch's terms. */
export function geometry(
  inShape: number[],
  filterShape: number[],
  { strides, pad, dilations, dimRoundingMode, dataFormat }: Attributes,
  depthwise: boolean,
): Geometry {
  const info = backend_util.computeConv2DInfo(
    inShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    depthwise,
    backend_util.convertConv2DDataFormat(dataFormat ?? 'NHWC'),
  );
  const { top, bottom, left, right } = info.padInfo;
  return {
    stride: [info.strideHeight, info.strideWidth],
    dilation: [info.dilationHeight, info.dilationWidth],
    padding: paddingOf([
      {
        size: info.inHeight,
        reach: info.effectiveFilterHeight,
        stride: info.strideHeight,
        before: top,
        after: bottom,
        out: info.outHeight,
      },
      {
        size: info.inWidth,
        reach: info.effectiveFilterWidth,
        stride: info.strideWidth,
        before: left,
        after: right,
        out: info.outWidth,
      },
    ]),
    info,
  };
}

/** `[channels·multiplier, 1, h, w]`, as libtorch's grouped convolution wants a depthwise filter. */
function depthwiseFilter(aten: Aten, filter: TorchTensor): TorchTensor {
  const [height, width, channels, multiplier] = filter.shape as [number, number, number, number];
  return aten('reshape', aten('permute', filter, HWCM_TO_CMHW), [channels * multiplier, 1, height, width]);
}

const reachOf = ({ info }: Geometry) => [info.effectiveFilterHeight, info.effectiveFilterWidth] as const;

/** Without a stride, and with a padding that libtorch applies itself and that leaves no window empty. */
function isPixelByPixel(shape: Geometry): boolean {
  const { stride, padding } = shape;
  const isInside = (pad: number, axis: number) => pad < reachOf(shape)[axis]!;
  return stride.every(step => step === 1) && !padding.byHand && padding.even.every(isInside);
}

/** The input's gradient where windows lie pixel by pixel: itself a convolution, with the filter turned round. */
function depthwiseTurned(aten: Aten, dy: TorchTensor, filter: TorchTensor, shape: Geometry): TorchTensor {
  const turned = depthwiseFilter(aten, aten('flip', filter, [0, 1]));
  const around = shape.padding.even.map((pad, axis) => reachOf(shape)[axis]! - 1 - pad);
  const { dilation, info } = shape;
  return toNhwc(
    aten,
    aten('conv2d', toNchw(aten, dy), turned, null, [1, 1], around, dilation, info.inChannels),
  );
}

function filterOf(aten: Aten, filter: TorchTensor, depthwise: boolean): TorchTensor {
  return depthwise ? depthwiseFilter(aten, filter) : aten('permute', filter, HWIO_TO_OIHW);
}

/**
 * The filter `[h, w, in, out]` with the memory of a channels-last `[out, in, h, w]`, which is how libtorch wants it and
 * how its gradient comes: no pass of a training step then copies either.
 */
export function filterLayout(aten: Aten, filter: TorchTensor): TorchTensor {
  const channelsLast = aten('clone', aten('permute', filter, HWIO_TO_OIHW), CHANNELS_LAST);
  return { ...aten('permute', channelsLast, OIHW_TO_HWIO), layout: 'filter' };
}

function convolve(call: Call, { depthwise }: { depthwise: boolean }): TorchTensor {
  const { attributes, aten } = call;
  const { x, filter: given, bias } = call.inputs;
  const shape = geometry(x!.shape, given!.shape, attributes, depthwise);
  if (shape.info.outShape.includes(0)) return aten('new_empty', x!, shape.info.outShape);
  const filter = depthwise || given!.layout === 'filter' ? given! : call.relay('filter', filterLayout);
  const isVector = bias?.shape.length === 1 && bias.shape[0] === shape.info.outChannels;
  const vector = isVector ? operand(aten, bias) : null;
  const others = bias && !vector;
  const plus = (y: TorchTensor) => (others ? aten('add.Tensor', y, bias) : y);
  const narrowed = operand(aten, x!);
  if (!depthwise && isProduct(shape, 'forward', narrowed.dtype))
    return plus(patchConvolution(aten, narrowed, operand(aten, filter), vector, shape));
  if (depthwise && isOwnDepthwise(shape, 'forward', narrowed.dtype)) {
    const y = depthwiseConvolution(aten, narrowed, operand(aten, filter), shape);
    return bias ? aten('add.Tensor', y, vector ?? bias) : y;
  }
  const channelsFirst = attributes.dataFormat === 'NCHW';
  const channelsSecond = channelsFirst ? narrowed : toNchw(aten, narrowed);
  const input = padded(aten, channelsSecond, shape.padding, 0);
  const y = aten(
    'conv2d',
    input,
    filterOf(aten, operand(aten, filter), depthwise),
    vector,
    shape.stride,
    shape.padding.even,
    shape.dilation,
    depthwise ? shape.info.inChannels : 1,
  );
  return plus(channelsFirst ? y : toNhwc(aten, y));
}

/** tfjs's gradient of `conv2d` does not pass on how the forward pass rounded; the shape of what it gives back tells. */
function geometryOfGradient(
  dyShape: number[],
  inShape: number[],
  filterShape: number[],
  attributes: Attributes,
  depthwise: boolean,
): Geometry {
  for (const dimRoundingMode of [attributes.dimRoundingMode, 'round', 'ceil']) {
    const shape = geometry(inShape, filterShape, { ...attributes, dimRoundingMode }, depthwise);
    if (util.arraysEqual(shape.info.outShape, dyShape)) return shape;
  }
  throw new EngineError(
    `torch: the gradient of a convolution of [${inShape}] by [${filterShape}] has another shape than [${dyShape}]`,
  );
}

type Wanted = 'input' | 'filter';

/** One of the two gradients of a convolution; the operand whose gradient is wanted may be given by its shape alone. */
function gradient(
  { aten, attributes }: Pick<Call, 'aten' | 'attributes'>,
  wanted: Wanted,
  dy: TorchTensor,
  x: TorchTensor | number[],
  filter: TorchTensor | number[],
  depthwise: boolean,
): TorchTensor {
  const inShape = Array.isArray(x) ? x : x.shape;
  const filterShape = Array.isArray(filter) ? filter : filter.shape;
  if (dy.shape.includes(0)) return aten('new_zeros', dy, wanted === 'input' ? inShape : filterShape);
  const shape = geometryOfGradient(dy.shape, inShape, filterShape, attributes, depthwise);
  const narrowed = operand(aten, dy);
  if (!depthwise && isProduct(shape, wanted, narrowed.dtype)) {
    return wanted === 'input'
      ? patchInputGradient(aten, narrowed, operand(aten, filter as TorchTensor), shape)
      : patchFilterGradient(aten, narrowed, operand(aten, x as TorchTensor), shape);
  }
  if (depthwise && isOwnDepthwise(shape, wanted, narrowed.dtype)) {
    if (wanted === 'filter')
      return depthwiseFilterGradient(aten, narrowed, operand(aten, x as TorchTensor), shape);
    const ofDy = isOnCpu() && isPixelByPixel(shape) ? depthwiseTurned : depthwiseInputGradient;
    return ofDy(aten, narrowed, operand(aten, filter as TorchTensor), shape);
  }
  const channelsFirst = attributes.dataFormat === 'NCHW';
  const nchw = (t: TorchTensor) => (channelsFirst ? t : toNchw(aten, t));
  const upstream = nchw(narrowed);
  // libtorch looks at the shape only of the operand whose gradient is not wanted: a broadcast scalar will do.
  const shapeOnly = (sizes: number[]) => aten('expand', aten('new_empty', upstream, [1, 1, 1, 1]), sizes);
  const [h, w, inner, outer] = filterShape as [number, number, number, number];
  const { batchSize, inChannels, inHeight, inWidth } = shape.info;
  const [rows, columns] = (shape.padding.byHand ?? []).map(([before, after]) => before + after);
  const input = Array.isArray(x)
    ? shapeOnly([batchSize, inChannels, inHeight + (rows ?? 0), inWidth + (columns ?? 0)])
    : padded(aten, nchw(operand(aten, x)), shape.padding, 0);
  const weight = Array.isArray(filter)
    ? shapeOnly(depthwise ? [inner * outer, 1, h, w] : [outer, inner, h, w])
    : filterOf(aten, operand(aten, filter), depthwise);
  const [dx, dw] = aten.tuple(
    'convolution_backward',
    upstream,
    input,
    weight,
    null,
    shape.stride,
    shape.padding.even,
    shape.dilation,
    false,
    [0, 0],
    depthwise ? inChannels : 1,
    [wanted === 'input', wanted === 'filter', false],
  );
  if (wanted === 'input') {
    const cut = unpadded(aten, dx!, shape.padding);
    return channelsFirst ? cut : toNhwc(aten, cut);
  }
  if (!depthwise) return aten('permute', dw!, OIHW_TO_HWIO);
  return aten('permute', aten('reshape', dw!, [inner, outer, h, w]), HWCM_TO_CMHW);
}

/** The input's gradient, computed if somebody reads it. */
function inputGradient({ attributes, inputs }: Call, depthwise: boolean): PendingTensor {
  const { dy, filter } = inputs as Record<'dy' | 'filter', TorchTensor>;
  return {
    shape: attributes.inputShape,
    dtype: enginePrecision() === 'bf16' ? 'bfloat16' : 'float32',
    uses: [dy, filter],
    compute: (aten, [laterDy, laterFilter]) =>
      gradient({ aten, attributes }, 'input', laterDy!, attributes.inputShape, laterFilter!, depthwise),
  };
}

function filterGradient(call: Call, depthwise: boolean): TorchTensor {
  const { dy, x } = call.inputs as Record<'dy' | 'x', TorchTensor>;
  return gradient(call, 'filter', dy, x, call.attributes.filterShape, depthwise);
}

function fused(call: Call, depthwise: boolean): TorchTensor {
  const y = convolve(call, { depthwise });
  return activate(call, y);
}

export const convolutionKernels: Kernels = {
  Conv2D: call => convolve(call, { depthwise: false }),
  FusedConv2D: call => fused(call, false),
  DepthwiseConv2dNative: call => convolve(call, { depthwise: true }),
  FusedDepthwiseConv2D: call => fused(call, true),
  Conv2DBackpropInput: call => inputGradient(call, false),
  Conv2DBackpropFilter: call => filterGradient(call, false),
  DepthwiseConv2dNativeBackpropInput: call => inputGradient(call, true),
  DepthwiseConv2dNativeBackpropFilter: call => filterGradient(call, true),
};
