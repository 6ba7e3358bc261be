/** Pooling on NHWC and NDHWC tensors; a max pooling keeps its indices beside its result, so its gradient recomputes nothing. */
import { backend_util } from '@tensorflow/tfjs-core';
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import type { Attributes, Call, Kernels } from '../kernel.js';
import { toNchw, toNhwc } from './convolution.js';
import { padding3d, toNcdhw, toNdhwc } from './convolution3d.js';
import { type Padding, padded, paddingOf, unpadded } from './windows.js';

/** A pooling's geometry, the same for two and three spatial axes. */
interface Pooling {
  /** the suffix of libtorch's operators */
  readonly axes: '2d' | '3d';
  readonly kernel: number[];
  readonly stride: number[];
  readonly padding: Padding;
  /** the result's shape, channels last */
  readonly outShape: number[];
  /** whether there is no window at all: every one is larger than the image */
  readonly isEmpty: boolean;
  channelsFirst(aten: Aten, x: TorchTensor): TorchTensor;
  channelsLast(aten: Aten, x: TorchTensor): TorchTensor;
  /** The side of square windows that neither overlap nor reach over the edge: they have a kernel of our own. */
  readonly plainWindow: number | undefined;
}

const isFloat = ({ dtype }: TorchTensor) => dtype === 'float32' || dtype === 'bfloat16';

const MAX_PLAIN_WINDOW = 15; // the kernel keeps places in a window as bytes

function pooling2d(x: TorchTensor, { filterSize, strides, pad, dimRoundingMode }: Attributes): Pooling {
  const info = backend_util.computePool2DInfo(
    x.shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const { top, bottom, left, right } = info.padInfo;
  const rows = {
    size: info.inHeight,
    reach: info.filterHeight,
    stride: info.strideHeight,
    before: top,
    after: bottom,
    out: info.outHeight,
  };
  const columns = {
    size: info.inWidth,
    reach: info.filterWidth,
    stride: info.strideWidth,
    before: left,
    after: right,
    out: info.outWidth,
  };
  const side = rows.reach;
  const isPlain = [rows, columns].every(
    ({ size, reach, stride, before, after, out }) =>
      reach === side && stride === side && before === 0 && after === 0 && out === Math.floor(size / side),
  );
  return {
    axes: '2d',
    kernel: [rows.reach, columns.reach],
    stride: [rows.stride, columns.stride],
    padding: evenOrByHand(paddingOf([rows, columns]), [rows.reach, columns.reach]),
    outShape: info.outShape,
    isEmpty: info.outShape.includes(0),
    channelsFirst: toNchw,
    channelsLast: toNhwc,
    plainWindow: isPlain && side <= MAX_PLAIN_WINDOW && isFloat(x) ? side : undefined,
  };
}

function pooling3d(x: TorchTensor, { filterSize, strides, pad, dimRoundingMode }: Attributes): Pooling {
  const info = backend_util.computePool3DInfo(
    x.shape as [number, number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const kernel = [info.filterDepth, info.filterHeight, info.filterWidth];
  return {
    axes: '3d',
    kernel,
    stride: [info.strideDepth, info.strideHeight, info.strideWidth],
    padding: evenOrByHand(padding3d(info), kernel),
    outShape: info.outShape,
    isEmpty: info.outShape.includes(0),
    channelsFirst: toNcdhw,
    channelsLast: toNdhwc,
    plainWindow: undefined,
  };
}

/** libtorch's poolings take even padding up to half a window. */
function evenOrByHand({ even, byHand }: Padding, kernel: readonly number[]): Padding {
  if (byHand || even.every((pad, i) => pad <= kernel[i]! / 2)) return { even, byHand };
  return { even: even.map(() => 0), byHand: even.map(pad => [pad, pad]) };
}

/** `[y, indices]`, both channels first. As in tfjs, a NaN is no maximum (it is smaller than any number). */
function maximaOf(aten: Aten, x: TorchTensor, pooling: Pooling): [TorchTensor, TorchTensor] {
  const { axes, kernel, stride, padding } = pooling;
  const least = Number.NEGATIVE_INFINITY;
  const floats = isFloat(x) ? x : aten('to.dtype', x, scalarType('float64'));
  const input = padded(aten, pooling.channelsFirst(aten, floats), padding, least);
  const inPlace = padding.byHand ? '_' : ''; // what was padded by hand is a copy already
  const numbers = aten(`nan_to_num${inPlace}`, input, least, Number.POSITIVE_INFINITY, least);
  const windows = [kernel, stride, padding.even, ones(kernel)];
  const [y, indices] = aten.tuple(`max_pool${axes}_with_indices`, numbers, ...windows);
  return [isFloat(x) ? y! : aten('to.dtype', y!, scalarType(x.dtype)), indices!];
}

const ones = (like: readonly unknown[]) => like.map(() => 1);

function maxPool({ aten, inputs }: Call, pooling: Pooling): TorchTensor {
  const x = inputs.x!;
  if (pooling.isEmpty) return aten('new_empty', x, pooling.outShape);
  if (pooling.plainWindow) {
    const [y, places] = aten.tuple('padezoo::max_pool', x, pooling.plainWindow);
    return { ...y!, companions: [places!] };
  }
  const [y, indices] = maximaOf(aten, x, pooling);
  return { ...pooling.channelsLast(aten, y), companions: [indices] };
}

function maxPoolGradient({ aten, inputs }: Call, pooling: Pooling): TorchTensor {
  const { dy, input, output } = inputs as Record<'dy' | 'input' | 'output', TorchTensor>;
  const { axes, kernel, stride, padding, plainWindow } = pooling;
  if (pooling.isEmpty) return aten('zeros_like', input);
  if (plainWindow) {
    const places = output.companions?.[0] ?? aten.tuple('padezoo::max_pool', input, plainWindow)[1]!;
    return aten('padezoo::max_pool_backward', dy, input, places, plainWindow);
  }
  const indices = output.companions?.[0] ?? maximaOf(aten, input, pooling)[1];
  const dx = aten(
    `max_pool${axes}_with_indices_backward`,
    pooling.channelsFirst(aten, dy),
    paddedShape(aten, input, pooling),
    kernel,
    stride,
    padding.even,
    ones(kernel),
    false,
    indices,
  );
  return pooling.channelsLast(aten, unpadded(aten, dx, padding));
}

/** What stands for a padded input where only its shape is looked at. */
function paddedShape(aten: Aten, input: TorchTensor, pooling: Pooling): TorchTensor {
  const { byHand } = pooling.padding;
  if (!byHand) return pooling.channelsFirst(aten, input);
  const sizes = input.shape.map((size, axis) => {
    const [before, after] = byHand[axis - 1] ?? [0, 0];
    return size + before + after;
  });
  return pooling.channelsFirst(aten, aten('new_empty', input, sizes));
}

/** `[maxima, their flat positions in x]` */
function maxPoolWithArgmax(call: Call): TorchTensor[] {
  const { aten, inputs, attributes } = call;
  const x = inputs.x!;
  const [, height, width, channels] = x.shape as [number, number, number, number];
  const pooling = pooling2d(x, attributes);
  const [y, indices] = maximaOf(aten, x, pooling);
  const [[top] = [0], [left, right] = [0, 0]] = pooling.padding.byHand ?? [];
  const paddedWidth = width + left + right;
  const row = aten('sub.Scalar', aten('floor_divide.Scalar', indices, paddedWidth), top);
  const column = aten('sub.Scalar', aten('remainder.Scalar', indices, paddedWidth), left);
  const pixel = aten('add.Tensor', aten('mul.Scalar', row, width), column);
  const channel = aten('arange', channels, scalarType('int64'));
  const flat = aten('add.Tensor', aten('mul.Scalar', toNhwc(aten, pixel), channels), channel);
  if (!attributes.includeBatchInIndex) return [toNhwc(aten, y), flat];
  const image = aten(
    'mul.Scalar',
    aten('arange', x.shape[0]!, scalarType('int64')),
    height * width * channels,
  );
  return [toNhwc(aten, y), aten('add.Tensor', flat, aten('reshape', image, [-1, 1, 1, 1]))];
}

const LEAVE_PADDING_OUT = false; // libtorch's `count_include_pad`: tfjs divides by the elements inside the image

function averagePool({ aten, inputs }: Call, pooling: Pooling): TorchTensor {
  const { axes, kernel, stride, padding } = pooling;
  if (pooling.isEmpty) return aten('new_empty', inputs.x!, pooling.outShape);
  const x = pooling.channelsFirst(aten, inputs.x!);
  if (!padding.byHand) {
    const y = aten(`avg_pool${axes}`, x, kernel, stride, padding.even, false, LEAVE_PADDING_OUT);
    return pooling.channelsLast(aten, y);
  }
  const sums = sumPool(aten, padded(aten, x, padding, 0), pooling);
  return pooling.channelsLast(aten, aten('div.Tensor', sums, counts(aten, x, pooling)));
}

function sumPool(aten: Aten, x: TorchTensor, { axes, kernel, stride, padding }: Pooling): TorchTensor {
  return aten(`avg_pool${axes}`, x, kernel, stride, padding.even, false, true, 1);
}

/** Elements inside the image for every window, `[1, 1, ...spatial]`. */
function counts(aten: Aten, { shape: [, , ...sizes], ...like }: TorchTensor, pooling: Pooling): TorchTensor {
  const inside = aten('new_ones', { shape: [], ...like }, [1, 1, ...sizes]);
  const sums = sumPool(aten, padded(aten, inside, pooling.padding, 0), pooling);
  return aten('clamp_min', sums, 1); // the mean over a window that lies outside is 0
}

function averagePoolGradient({ aten, inputs }: Call, pooling: Pooling): TorchTensor {
  const { dy, input } = inputs as Record<'dy' | 'input', TorchTensor>;
  const { axes, kernel, stride, padding } = pooling;
  if (pooling.isEmpty) return aten('zeros_like', input);
  const upstream = pooling.channelsFirst(aten, dy);
  const backward = (share: TorchTensor, divisor: number | null) =>
    aten(
      `avg_pool${axes}_backward`,
      share,
      paddedShape(aten, input, pooling),
      kernel,
      stride,
      padding.even,
      false,
      LEAVE_PADDING_OUT,
      divisor,
    );
  if (!padding.byHand) return pooling.channelsLast(aten, backward(upstream, null));
  const share = aten('div.Tensor', upstream, counts(aten, pooling.channelsFirst(aten, input), pooling));
  return pooling.channelsLast(aten, unpadded(aten, backward(share, 1), padding));
}

export const poolingKernels: Kernels = {
  MaxPool: call => maxPool(call, pooling2d(call.inputs.x!, call.attributes)),
  MaxPoolGrad: call => maxPoolGradient(call, pooling2d(call.inputs.input!, call.attributes)),
  MaxPool3D: call => maxPool(call, pooling3d(call.inputs.x!, call.attributes)),
  MaxPool3DGrad: call => maxPoolGradient(call, pooling3d(call.inputs.input!, call.attributes)),
  MaxPoolWithArgmax: maxPoolWithArgmax,
  AvgPool: call => averagePool(call, pooling2d(call.inputs.x!, call.attributes)),
  AvgPoolGrad: call => averagePoolGradient(call, pooling2d(call.inputs.input!, call.attributes)),
  AvgPool3D: call => averagePool(call, pooling3d(call.inputs.x!, call.attributes)),
  AvgPool3DGrad: call => averagePoolGradient(call, pooling3d(call.inputs.input!, call.attributes)),
};
