/** Elements picked by coordinates, put at coordinates, and counted or summed by label. */
import { gather_util, scatter_util, util } from '@tensorflow/tfjs-core';
import { EngineError } from '../addon.js';
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';

/** Coordinates `[..., rank]` -> positions `[n]` in a tensor whose axes have these strides. */
function positions(
  aten: Aten,
  coordinates: TorchTensor,
  strides: readonly number[],
  count: number,
): TorchTensor {
  const wide = aten('reshape', aten('to.dtype', coordinates, scalarType('int64')), [count, strides.length]);
  return strides.reduce(
    (sum, stride, axis) =>
      aten('add.Tensor', sum, aten('mul.Scalar', aten('select.int', wide, 1, axis), stride)),
    aten('new_zeros', wide, [count]),
  );
}

function gatherNd({ inputs: { params, indices }, aten }: Call): TorchTensor {
  const [shape, count, sliceSize, strides] = gather_util.prepareAndValidate(
    params as never,
    indices as never,
  );
  const rows = aten('reshape', params!, [-1, sliceSize]);
  const picked = aten('index_select', rows, 0, positions(aten, indices!, strides, count));
  return aten('reshape', picked, shape);
}

/** What a scatter works on: `[rows, sliceSize]`, and which row each update goes to. */
function scattered(
  aten: Aten,
  indices: TorchTensor,
  updates: TorchTensor,
  shape: number[],
): { rows: TorchTensor; slices: TorchTensor; sliceSize: number } {
  const { numUpdates, sliceSize, strides } = scatter_util.calculateShapes(
    updates as never,
    indices as never,
    shape,
  );
  const isScalar = updates.shape.length === 0;
  const slices = isScalar
    ? aten('expand', updates, [numUpdates, sliceSize])
    : aten('reshape', updates, [numUpdates, sliceSize]);
  return { rows: positions(aten, indices, strides, numUpdates), slices, sliceSize };
}

/** Zeros of a shape with updates added; of equal coordinates the updates add up. */
function scatterNd({ inputs: { indices, updates }, attributes: { shape }, aten }: Call): TorchTensor {
  const size = util.sizeFromShape(shape);
  if (size === 0) return aten('new_zeros', updates!, shape);
  const { rows, slices, sliceSize } = scattered(aten, indices!, updates!, shape);
  const zeros = aten('new_zeros', updates!, [size / sliceSize, sliceSize]);
  return aten('reshape', aten('index_add', zeros, 0, rows, slices), shape);
}

/** A tensor with slices replaced; of equal coordinates the last update stays. */
function tensorScatterUpdate({ inputs: { tensor, indices, updates }, aten }: Call): TorchTensor {
  const { rows, slices, sliceSize } = scattered(aten, indices!, updates!, tensor!.shape);
  const before = aten('reshape', tensor!, [-1, sliceSize]);
  return aten('reshape', aten('index_copy', before, 0, rows, slices), tensor!.shape);
}

function sparseToDense({
  inputs: { sparseIndices, sparseValues, defaultValue },
  attributes: { outputShape },
  aten,
}: Call): TorchTensor {
  const { rows, slices, sliceSize } = scattered(aten, sparseIndices!, sparseValues!, outputShape);
  const size = util.sizeFromShape(outputShape);
  const fill = aten('to.dtype', defaultValue!, scalarType(sparseValues!.dtype));
  const before = aten('clone', aten('expand', fill, [size / sliceSize, sliceSize]));
  return aten('reshape', aten('index_copy', before, 0, rows, slices), outputShape);
}

/** Sums rows `[n, m]` by label `[n]` into `[labels, m]`; a label outside is nobody's. */
function sumByLabel(aten: Aten, rows: TorchTensor, labels: TorchTensor, count: number): TorchTensor {
  const outside = aten('logical_or', aten('lt.Scalar', labels, 0), aten('ge.Scalar', labels, count));
  const places = aten('masked_fill.Scalar', labels, outside, count);
  const zeros = aten('new_zeros', rows, [count + 1, rows.shape[1]!]);
  return aten('narrow', aten('index_add', zeros, 0, places, rows), 0, 0, count);
}

function segmentSum({ inputs: { x, segmentIds }, attributes: { numSegments }, aten }: Call): TorchTensor {
  const slice = x!.shape.slice(segmentIds!.shape.length);
  const rows = aten('reshape', x!, [util.sizeFromShape(segmentIds!.shape), util.sizeFromShape(slice)]);
  const sums = sumByLabel(aten, rows, aten('reshape', segmentIds!, [-1]), numSegments);
  return aten('reshape', sums, [numSegments, ...slice]);
}

/** How often (or with what total weight) each of `size` numbers occurs in `x` `[n]`, or in each row of `x` `[m, n]`. */
function binCount({ inputs: { x, weights }, attributes, aten }: Call): TorchTensor {
  const { size, binaryOutput } = attributes;
  const isMatrix = x!.shape.length === 2;
  const [rows, length] = isMatrix ? (x!.shape as [number, number]) : [1, util.sizeFromShape(x!.shape)];
  if (rows * length > 0 && aten.value('_local_scalar_dense', aten('min', x!)) < 0)
    throw new EngineError('bincount: Input x must be non-negative!');
  const values = aten('reshape', aten('to.dtype', x!, scalarType('int64')), [rows, length]);
  // Every row counts in bins of its own, with one more for what is too large.
  const bin = aten('clamp', values, 0, size);
  const ofRow = aten('mul.Scalar', aten('arange', rows, scalarType('int64')), size + 1);
  const places = aten('reshape', aten('add.Tensor', bin, aten('unsqueeze', ofRow, 1)), [-1]);
  const hasWeights = util.sizeFromShape(weights!.shape) > 0 && !binaryOutput;
  const amounts = hasWeights ? aten('reshape', weights!, [-1]) : aten('new_ones', weights!, [rows * length]);
  const counts = aten('index_add', aten('new_zeros', amounts, [rows * (size + 1)]), 0, places, amounts);
  const binned = aten('narrow', aten('reshape', counts, [rows, size + 1]), 1, 0, size);
  const result = binaryOutput ? aten('clamp', binned, 0, 1) : binned;
  return isMatrix ? result : aten('reshape', result, [size]);
}

export const scatteringKernels: Kernels = {
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  TensorScatterUpdate: tensorScatterUpdate,
  SparseToDense: sparseToDense,
  UnsortedSegmentSum: segmentSum,
  Bincount: binCount,
  DenseBincount: binCount,
};
