/** Pooling on NHWC tensors; a max pooling keeps its indices beside its result, so its gradient recomputes nothing. */
import { backend_util } from '@tensorflow/tfjs-core';
import type { Aten, TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';
import { toNchw, toNhwc } from './convolution.js';

function poolInfo({ attributes }: Call, x: TorchTensor) {
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  return backend_util.computePool2DInfo(
    x.shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
}

type PoolInfo = ReturnType<typeof poolInfo>;

/** `[kernel, stride, padding, dilation]` as libtorch takes them; the input is padded by hand beforehand. */
function windows(info: PoolInfo): [number[], number[], number[], number[]] {
  return [
    [info.filterHeight, info.filterWidth],
    [info.strideHeight, info.strideWidth],
    [0, 0],
    [1, 1],
  ];
}

/** NCHW, padded to tfjs's padding with `fill`. */
function padded(aten: Aten, x: TorchTensor, info: PoolInfo, fill: number): TorchTensor {
  const { top, bottom, left, right } = info.padInfo;
  const nchw = toNchw(aten, x);
  return top || bottom || left || right
    ? aten('constant_pad_nd', nchw, [left, right, top, bottom], fill)
    : nchw;
}

function cut(aten: Aten, nchw: TorchTensor, info: PoolInfo): TorchTensor {
  const { top, bottom, left, right } = info.padInfo;
  if (!(top || bottom || left || right)) return nchw;
  return aten('narrow', aten('narrow', nchw, 2, top, info.inHeight), 3, left, info.inWidth);
}

function maxPool(call: Call): TorchTensor {
  const x = call.inputs.x!;
  const { aten } = call;
  const info = poolInfo(call, x);
  const [y, indices] = aten.tuple(
    'max_pool2d_with_indices',
    padded(aten, x, info, Number.NEGATIVE_INFINITY),
    ...windows(info),
  );
  return { ...toNhwc(aten, y!), companions: [indices!] };
}

function maxPoolGradient(call: Call): TorchTensor {
  const { dy, input, output } = call.inputs as Record<'dy' | 'input' | 'output', TorchTensor>;
  const { aten } = call;
  const info = poolInfo(call, input);
  const x = padded(aten, input, info, Number.NEGATIVE_INFINITY);
  const indices = output.companions?.[0] ?? aten.tuple('max_pool2d_with_indices', x, ...windows(info))[1]!;
  const dx = aten('max_pool2d_with_indices_backward', toNchw(aten, dy), x, ...windows(info), false, indices);
  return toNhwc(aten, cut(aten, dx, info));
}

/** tfjs divides by the window's elements that lie inside the image, so the padding is made explicit and counted. */
function averagePool(call: Call): TorchTensor {
  const x = call.inputs.x!;
  const { aten } = call;
  const info = poolInfo(call, x);
  const [kernel, stride, padding] = windows(info);
  const sums = aten('avg_pool2d', padded(aten, x, info, 0), kernel, stride, padding, false, true, 1);
  return toNhwc(aten, aten('div.Tensor', sums, counts(aten, x, info)));
}

/** Elements inside the image for every window, `[1, 1, h, w]`. */
function counts(aten: Aten, like: TorchTensor, info: PoolInfo): TorchTensor {
  const [kernel, stride, padding] = windows(info);
  const { top, bottom, left, right } = info.padInfo;
  const inside = aten('new_ones', like, [1, 1, info.inHeight, info.inWidth]);
  return aten(
    'avg_pool2d',
    aten('constant_pad_nd', inside, [left, right, top, bottom], 0),
    kernel,
    stride,
    padding,
    false,
    true,
    1,
  );
}

function averagePoolGradient(call: Call): TorchTensor {
  const { dy, input } = call.inputs as Record<'dy' | 'input', TorchTensor>;
  const { aten } = call;
  const info = poolInfo(call, input);
  const [kernel, stride, padding] = windows(info);
  const share = aten('div.Tensor', toNchw(aten, dy), counts(aten, input, info));
  const x = padded(aten, input, info, 0);
  return toNhwc(
    aten,
    cut(aten, aten('avg_pool2d_backward', share, x, kernel, stride, padding, false, true, 1), info),
  );
}

export const poolingKernels: Kernels = {
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGradient,
  AvgPool: averagePool,
  AvgPoolGrad: averagePoolGradient,
};
