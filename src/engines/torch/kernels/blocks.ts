/** Blocks of pixels that become images of the batch, or channels, and back. */
import { backend_util, util } from '@tensorflow/tfjs-core';
import { EngineError } from '../addon.js';
import type { TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';
import { lastAxisFirst } from './windows.js';

function batchToSpace({ inputs: { x }, attributes: { blockShape, crops }, aten }: Call): TorchTensor {
  const { getReshaped, getPermuted, getReshapedPermuted, getSliceBeginCoords, getSliceSize } = backend_util;
  const blocks = blockShape.length;
  const pixels = util.sizeFromShape(blockShape);
  const split = getReshaped(x!.shape, blockShape, pixels);
  const whole = getReshapedPermuted(x!.shape, blockShape, pixels);
  const moved = aten('permute', aten('reshape', x!, split), getPermuted(split.length, blocks));
  const begins = getSliceBeginCoords(crops, blocks);
  return getSliceSize(whole, crops, blocks).reduce(
    (y, size, axis) => (size === y.shape[axis] ? y : aten('narrow', y, axis, begins[axis], size)),
    aten('reshape', moved, whole),
  );
}

function spaceToBatch({ inputs: { x }, attributes: { blockShape, paddings }, aten }: Call): TorchTensor {
  const { getReshaped, getPermuted, getReshapedPermuted } = backend_util;
  const blocks = blockShape.length;
  const pixels = util.sizeFromShape(blockShape);
  const pads = x!.shape.map((_, axis) => (paddings as [number, number][])[axis - 1] ?? ([0, 0] as const));
  const padded = aten('constant_pad_nd', x!, lastAxisFirst(pads), 0);
  const split = getReshaped(padded.shape, blockShape, pixels, false);
  const moved = aten('permute', aten('reshape', padded, split), getPermuted(split.length, blocks, false));
  return aten('reshape', moved, getReshapedPermuted(padded.shape, blockShape, pixels, false));
}

function depthToSpace({ inputs: { x }, attributes: { blockSize, dataFormat }, aten }: Call): TorchTensor {
  if (dataFormat !== 'NHWC')
    throw new EngineError(
      `depthToSpace: only NHWC is supported, got ${dataFormat}; transpose with [0, 2, 3, 1] first`,
    );
  const [images, height, width, depth] = x!.shape as [number, number, number, number];
  const split = [images, height, width, blockSize, blockSize, depth / blockSize ** 2];
  const moved = aten('permute', aten('reshape', x!, split), [0, 1, 3, 2, 4, 5]);
  return aten('reshape', moved, [images, height * blockSize, width * blockSize, depth / blockSize ** 2]);
}

export const blockKernels: Kernels = {
  BatchToSpaceND: batchToSpace,
  SpaceToBatchND: spaceToBatch,
  DepthToSpace: depthToSpace,
};
