/** Kernels that move or make elements without calculating: reshape, slice, pad, gather, fill. */
import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import { EngineError } from '../addon.js';
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';
import { lastAxisFirst } from './windows.js';

function slice({ inputs: { x }, attributes: { begin, size }, aten }: Call): TorchTensor {
  const [starts, sizes] = slice_util.parseSliceParams(x as never, begin, size) as [number[], number[]];
  return starts.reduce(
    (y, start, axis) => (sizes[axis] === y.shape[axis] ? y : aten('narrow', y, axis, start, sizes[axis])),
    x!,
  );
}

function pad({ inputs: { x }, attributes: { paddings, constantValue }, aten }: Call): TorchTensor {
  return aten('constant_pad_nd', x!, lastAxisFirst(paddings), constantValue ?? 0);
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
  const select = () =>
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
  const picked = namingWrongIndex(aten, indices!, info.dimSize, select);
  return aten('reshape', picked, info.outputShape);
}

/** libtorch says that an index is wrong, but not which; looking first would make every gather wait for its indices. */
function namingWrongIndex<T>(aten: Aten, indices: TorchTensor, size: number, pick: () => T): T {
  try {
    return pick();
  } catch (cause) {
    const extreme = (operator: string) => aten.value('_local_scalar_dense', aten(operator, indices));
    const wrong = [extreme('min'), extreme('max')].find(index => index < 0 || index >= size);
    if (wrong === undefined) throw cause;
    throw new EngineError(`GatherV2: the index value ${wrong} is not in [0, ${size - 1}]`, { cause });
  }
}

function concat({ list, attributes: { axis }, aten }: Call): TorchTensor {
  const along = util.parseAxisParam(axis, list[0]!.shape)[0]!;
  backend_util.assertParamsConsistent(
    list.map(({ shape }) => shape),
    along,
  );
  return list.length === 1 ? list[0]! : aten('cat', list, along);
}

/** Like Concat, along an axis that is new. */
function pack({ list, attributes: { axis }, aten }: Call): TorchTensor {
  const [first, ...others] = list as [TorchTensor, ...TorchTensor[]];
  const stranger = others.find(({ dtype }) => dtype !== first.dtype);
  if (stranger)
    throw new EngineError(`stack: all tensors must have one dtype, got ${first.dtype} and ${stranger.dtype}`);
  return aten('stack', list, axis);
}

/** Every `strides`-th element between begin and end, which masks and an ellipsis may leave open. */
function stridedSlice({ inputs: { x }, attributes, aten }: Call): TorchTensor {
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
  const info = slice_util.sliceInfo(
    x!.shape,
    begin,
    end,
    strides,
    beginMask,
    endMask,
    ellipsisMask,
    newAxisMask,
    shrinkAxisMask,
  );
  const lengths = slice_util.computeOutShape(info.begin, info.end, info.strides);
  const sparse = lengths.reduce(
    (y, length, axis) => everyNth(aten, y, axis, info.begin[axis]!, info.strides[axis]!, length),
    x!,
  );
  return aten('reshape', sparse, info.finalShape);
}

/** `length` elements along `axis`: the one at `start`, and every one `stride` further. */
function everyNth(
  aten: Aten,
  x: TorchTensor,
  axis: number,
  start: number,
  stride: number,
  length: number,
): TorchTensor {
  if (length === 0) return aten('narrow', x, axis, 0, 0);
  const last = start + (length - 1) * stride;
  if (stride > 0) return aten('slice.Tensor', x, axis, start, last + 1, stride);
  return aten('flip', aten('slice.Tensor', x, axis, last, start + 1, -stride), [axis]);
}

/** Padding that mirrors the elements at the edge; `'symmetric'` repeats the edge itself, `'reflect'` does not. */
function mirrorPad({ inputs: { x }, attributes: { paddings, mode }, aten }: Call): TorchTensor {
  const first = mode === 'symmetric' ? -1 : 0; // what the first element is the mirror image of
  const folded = (places: TorchTensor) => {
    const mirrored = aten('rsub.Scalar', places, first);
    return aten('maximum', places, mirrored);
  };
  return (paddings as [number, number][]).reduce((y, [before, after], axis) => {
    if (before === 0 && after === 0) return y;
    const last = y.shape[axis]! - 1;
    const places = aten('arange.start', -before, last + 1 + after, scalarType('int64'));
    const fromEnd = aten('rsub.Scalar', folded(places), last);
    return aten('index_select', y, axis, aten('rsub.Scalar', folded(fromEnd), last));
  }, x!);
}

/** The elements on the diagonal of a tensor of twice the rank. */
function diagonal({ inputs: { x }, aten }: Call): TorchTensor {
  const flat = aten('reshape', x!, [-1]);
  return aten('reshape', aten('diag_embed', flat), [...x!.shape, ...x!.shape]);
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
  Pack: pack,
  Unpack: ({ inputs: { value }, attributes: { axis }, aten }) => aten.tuple('unbind.int', value!, axis),
  SplitV: ({ inputs: { x }, attributes: { numOrSizeSplits, axis }, aten }) => {
    const along = util.parseAxisParam(axis, x!.shape)[0]!;
    const sizes = backend_util.prepareSplitSize(x as never, numOrSizeSplits, along);
    return aten.tuple('split_with_sizes', x!, sizes, along);
  },
  StridedSlice: stridedSlice,
  PadV2: pad,
  MirrorPad: mirrorPad,
  Diag: diagonal,
  Tile: ({ inputs: { x }, attributes: { reps }, aten }) => aten('repeat', x!, reps),
  BroadcastTo: ({ inputs: { x }, attributes: { shape, inputShape }, aten }) =>
    aten('expand', x!, shape ?? inputShape),
  Reverse: ({ inputs: { x }, attributes: { dims }, aten }) =>
    aten('flip', x!, util.parseAxisParam(dims, x!.shape)),
  FlipLeftRight: ({ inputs: { image }, aten }) => aten('flip', image!, [2]),
  GatherV2: gather,
  OneHot: oneHot,
};
