/** Sums, extremes, softmax and running sums along axes. */
import { util } from '@tensorflow/tfjs-core';
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import type { Call, Kernel, Kernels } from '../kernel.js';

/** The axes as libtorch wants them: explicit, never "none means all". */
function axesOf({ attributes }: Call, x: TorchTensor): number[] {
  const { axis, reductionIndices } = attributes;
  const given = axis ?? reductionIndices;
  if (given == null) return x.shape.map((_, index) => index);
  return util.parseAxisParam(given, x.shape);
}

const reduction =
  (operator: string): Kernel =>
  call => {
    const x = call.inputs.x!;
    const axes = axesOf(call, x);
    return axes.length === 0 ? x : call.aten(operator, x, axes, call.attributes.keepDims ?? false);
  };

/** Of bfloat16 in float32: sums have more digits than their terms. */
function sum(call: Call): TorchTensor {
  const x = call.inputs.x!;
  const axes = axesOf(call, x);
  const keepDims = call.attributes.keepDims ?? false;
  if (!keepDims && isOverPixels(x, axes)) return call.aten('padezoo::channel_sums', x);
  if (x.dtype !== 'bfloat16') return reduction('sum.dim_IntList')(call) as TorchTensor;
  return call.aten('sum.dim_IntList', x, axes, keepDims, scalarType('float32'));
}

/** Whether the last axis is all that stays of many values, as in a bias's gradient: ATen is slow where that axis is short. */
function isOverPixels({ shape, dtype }: TorchTensor, axes: readonly number[]): boolean {
  return (
    (dtype === 'float32' || dtype === 'bfloat16') &&
    shape.length > 1 &&
    axes.length === shape.length - 1 &&
    !axes.includes(shape.length - 1) &&
    util.sizeFromShape(shape) >= MANY
  );
}

const MANY = 2 ** 14;

/** ATen reduces truth values and products one axis at a time. */
const oneAxisAtATime =
  (operator: string): Kernel =>
  call => {
    const x = call.inputs.x!;
    const { aten, attributes } = call;
    const axes = [...axesOf(call, x)].sort((a, b) => b - a);
    return axes.reduce((y, axis) => aten(operator, y, axis, attributes.keepDims ?? false), x);
  };

function oneAxis({ attributes }: Call, x: TorchTensor): number {
  return util.parseAxisParam(attributes.axis ?? attributes.dim ?? -1, x.shape)[0]!;
}

function mean(call: Call): TorchTensor {
  const x = call.inputs.x!;
  return call.aten(
    'mean.dim',
    x,
    axesOf(call, x),
    call.attributes.keepDims ?? false,
    x.dtype === 'float32' ? null : scalarType('float32'),
  );
}

/** Where the largest or smallest number is; as in tfjs, never a NaN. */
function extremePlace(operator: 'argmax' | 'argmin'): Kernel {
  const worst = operator === 'argmax' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return call => {
    const x = call.inputs.x!;
    return call.aten(operator, comparable(call.aten, x, worst), oneAxis(call, x), false);
  };
}

/** As ATen's extremes can be asked for: bool as numbers, and `nan` in place of NaN. */
export function comparable(aten: Aten, x: TorchTensor, nan: number): TorchTensor {
  if (x.dtype === 'bool') return aten('to.dtype', x, scalarType('uint8'));
  if (x.dtype !== 'float32') return x;
  return aten('nan_to_num', x, nan, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
}

/** A running sum or product; `first` is what an exclusive one starts with. */
const running =
  (operator: string, first: number): Kernel =>
  ({ inputs: { x }, attributes: { axis, exclusive, reverse }, aten }) => {
    const ordered = reverse ? aten('flip', x!, [axis]) : x!;
    const inclusive = aten(operator, ordered, axis);
    const results = exclusive ? shifted(aten, inclusive, axis, first) : inclusive;
    return reverse ? aten('flip', results, [axis]) : results;
  };

/** Every element one place further along `axis`, `first` in front. */
function shifted(aten: Aten, x: TorchTensor, axis: number, first: number): TorchTensor {
  const length = x.shape[axis]!;
  if (length === 0) return x;
  const front = aten('new_full', x, x.shape.with(axis, 1), first);
  return aten('cat', [front, aten('narrow', x, axis, 0, length - 1)], axis);
}

export const reductionKernels: Kernels = {
  Sum: sum,
  Mean: mean,
  Max: reduction('amax'),
  Min: reduction('amin'),
  Prod: oneAxisAtATime('prod.dim_int'),
  All: oneAxisAtATime('all.dim'),
  Any: oneAxisAtATime('any.dim'),
  ArgMax: extremePlace('argmax'),
  ArgMin: extremePlace('argmin'),
  Softmax: ({ inputs: { logits }, attributes: { dim }, aten }) => aten('_softmax', logits!, dim, false),
  LogSoftmax: ({ inputs: { logits }, attributes: { axis }, aten }) =>
    aten('_log_softmax', logits!, axis, false),
  Cumsum: running('cumsum', 0),
  Cumprod: running('cumprod', 1),
};
