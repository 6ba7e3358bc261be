/** Kernels that move or make elements without calculating: reshape, slice, pad, gather, fill. */
import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import { scalarType, type TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';

function slice({ inputs: { x }, attributes: { begin, size }, aten }: Call): TorchTensor {
  const [starts, sizes] = slice_util.parseSliceParams(x as never, begin, size) as [number[], number[]];
  return starts.reduce(
    (y, start, axis) => (sizes[axis] === y.shape[axis] ? y : aten('narrow', y, axis, start, sizes[axis])),
    x!,
  );
}

function pad({ inputs: { x }, attributes: { paddings, constantValue }, aten }: Call): TorchTensor {
  // libtorch lists [before, after] from the last axis to the first.
  const flat = [...(paddings as [number, number][])].reverse().flat();
  return aten('constant_pad_nd', x!, flat, constantValue ?? 0);
}

function transpose({ inputs: { x }, attributes: { perm }, aten }: Call): TorchTensor {
  return aten('permute', x!, perm);
}

function gather({ inputs: { x, indices }, attributes: { axis, batchDims }, aten }: Call): TorchTensor {
  const along = util.parseAxisParam(axis, x!.shape)[0]!;
  const info = backend_util.segment_util.collectGatherOpShapeInfo(
    x as never,
    indices as never,
    along,
    batchDims ?? 0,
  );
  const flat = aten('reshape', indices!, [info.batchSize, -1]);
  const blocks = aten('reshape', x!, [info.batchSize, info.outerSize, info.dimSize, info.sliceSize]);
  const picked =
    info.batchSize === 1
      ? aten('index_select', blocks, 2, aten('reshape', flat, [-1]))
      : aten(
          'gather',
          blocks,
          2,
          aten(
            'expand',
            aten('to.dtype', aten('reshape', flat, [info.batchSize, 1, -1, 1]), scalarType('int64')),
            [info.batchSize, info.outerSize, flat.shape[1]!, info.sliceSize],
          ),
        );
  return aten('reshape', picked, info.outputShape);
}

function concat({ list, attributes: { axis }, aten }: Call): TorchTensor {
  const along = util.parseAxisParam(axis, list[0]!.shape)[0]!;
  const filled = list.filter(x => util.sizeFromShape(x.shape) > 0);
  if (filled.length === 0) return list[0]!;
  return filled.length === 1 ? filled[0]! : aten('cat', filled, along);
}

function oneHot({
  inputs: { indices },
  attributes: { depth, onValue, offValue, dtype },
  aten,
}: Call): TorchTensor {
  const classes = aten('arange', depth, scalarType('int32'));
  const hit = aten('eq.Tensor', aten('unsqueeze', indices!, -1), classes);
  const values = aten('where.Scalar', hit, onValue, offValue);
  return aten('to.dtype', values, scalarType(dtype ?? 'int32'));
}

export const shapingKernels: Kernels = {
  Identity: ({ inputs: { x } }) => x!,
  Reshape: ({ inputs: { x }, attributes: { shape }, aten }) =>
    aten('reshape', x!, util.inferFromImplicitShape(shape, util.sizeFromShape(x!.shape))),
  ExpandDims: ({ inputs: { input }, attributes: { dim }, aten }) => aten('unsqueeze', input!, dim),
  Transpose: transpose,
  Slice: slice,
  Concat: concat,
  Pack: ({ list, attributes: { axis }, aten }) => aten('stack', list, axis),
  Unpack: ({ inputs: { value }, attributes: { axis }, aten }) => aten.tuple('unbind.int', value!, axis),
  SplitV: ({ inputs: { x }, attributes: { numOrSizeSplits, axis }, aten }) => {
    const along = util.parseAxisParam(axis, x!.shape)[0]!;
    const sizes = backend_util.prepareSplitSize(x as never, numOrSizeSplits, along);
    return aten.tuple('split_with_sizes', x!, sizes, along);
  },
  PadV2: pad,
  Tile: ({ inputs: { x }, attributes: { reps }, aten }) => aten('repeat', x!, reps),
  BroadcastTo: ({ inputs: { x }, attributes: { shape, inputShape }, aten }) =>
    aten('expand', x!, shape ?? inputShape),
  Reverse: ({ inputs: { x }, attributes: { dims }, aten }) =>
    aten('flip', x!, util.parseAxisParam(dims, x!.shape)),
  GatherV2: gather,
  OneHot: oneHot,
};
