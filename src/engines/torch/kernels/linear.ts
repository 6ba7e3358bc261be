/** Matrix products and Einstein sums. */
import { backend_util } from '@tensorflow/tfjs-core';
import { EngineError } from '../addon.js';
import type { TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';
import { likeIn, operand } from '../precision.js';
import { activate } from './fusedActivation.js';

/** a·b over the last two axes; leading axes broadcast. */
function product({ inputs: { a, b }, attributes: { transposeA, transposeB }, aten }: Call): TorchTensor {
  if (a!.shape.length < 2 || b!.shape.length < 2) {
    throw new EngineError(
      `matMul: the operands must be matrices, got shapes [${a!.shape}] and [${b!.shape}]; reshape a vector to [1, n] or [n, 1]`,
    );
  }
  const left = transposeA ? aten('transpose.int', a!, -2, -1) : a!;
  const right = transposeB ? aten('transpose.int', b!, -2, -1) : b!;
  return aten('matmul', operand(aten, left), operand(aten, right));
}

function fusedProduct(call: Call): TorchTensor {
  const { bias } = call.inputs;
  const y = product(call);
  return activate(call, bias ? call.aten('add.Tensor', y, likeIn(call.aten, bias, y)) : y);
}

function einsum({ list, attributes: { equation }, aten }: Call): TorchTensor {
  // tfjs's own checks, so that an equation is right or wrong on every backend alike.
  const { allDims, summedDims, idDims } = backend_util.decodeEinsumEquation(equation, list.length);
  backend_util.checkEinsumDimSizes(allDims.length, idDims, list as never);
  backend_util.getEinsumComputePath(summedDims, idDims);
  return aten('einsum', equation.replace(/\s/g, ''), list);
}

export const linearKernels: Kernels = {
  BatchMatMul: product,
  _FusedMatMul: fusedProduct,
  Einsum: einsum,
};
