/** Sums, extremes and softmax along axes. */
import { util } from '@tensorflow/tfjs-core';
import type { TorchTensor } from '../aten.js';
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

export const reductionKernels: Kernels = {
  Sum: reduction('sum.dim_IntList'),
  Mean: reduction('mean.dim'),
  Max: reduction('amax'),
  Min: reduction('amin'),
  Prod: oneAxisAtATime('prod.dim_int'),
  All: oneAxisAtATime('all.dim'),
  Any: oneAxisAtATime('any.dim'),
  ArgMax: call => call.aten('argmax', call.inputs.x!, oneAxis(call, call.inputs.x!), false),
  ArgMin: call => call.aten('argmin', call.inputs.x!, oneAxis(call, call.inputs.x!), false),
  Softmax: ({ inputs: { logits }, attributes: { dim }, aten }) => aten('_softmax', logits!, dim, false),
  LogSoftmax: ({ inputs: { logits }, attributes: { axis }, aten }) =>
    aten('_log_softmax', logits!, axis, false),
  Cumsum: ({ inputs: { x }, attributes: { axis, exclusive, reverse }, aten }) => {
    const ordered = reverse ? aten('flip', x!, [axis]) : x!;
    const sums = aten('cumsum', ordered, axis);
    const shifted = exclusive ? aten('sub.Tensor', sums, ordered) : sums;
    return reverse ? aten('flip', shifted, [axis]) : shifted;
  },
};
