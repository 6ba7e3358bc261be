/** Matrix products. */
import type { TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';
import { activate } from './fusedActivation.js';

/** a·b over the last two axes; leading axes broadcast. */
function product({ inputs: { a, b }, attributes: { transposeA, transposeB }, aten }: Call): TorchTensor {
  const left = transposeA ? aten('transpose.int', a!, -2, -1) : a!;
  const right = transposeB ? aten('transpose.int', b!, -2, -1) : b!;
  return aten('matmul', left, right);
}

function fusedProduct(call: Call): TorchTensor {
  const { bias } = call.inputs;
  const y = product(call);
  return activate(call, bias ? call.aten('add.Tensor', y, bias) : y);
}

export const linearKernels: Kernels = {
  BatchMatMul: product,
  _FusedMatMul: fusedProduct,
};
