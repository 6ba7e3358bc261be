/** Matrix products and Einstein sums. */
import { backend_util } from '@tensorflow/tfjs-core';
import { EngineError } from '../addon.js';
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import { isOnCpu } from '../device.js';
import type { Call, Kernels } from '../kernel.js';
import { likeIn, operand } from '../precision.js';
import { activate } from './fusedActivation.js';

/** a·b over the last two axes, and the bias where there is one; leading axes broadcast. */
function product({
  inputs: { a, b, bias },
  attributes: { transposeA, transposeB },
  aten,
}: Call): TorchTensor {
  if (a!.shape.length < 2 || b!.shape.length < 2) {
    throw new EngineError(
      `matMul: the operands must be matrices, got shapes [${a!.shape}] and [${b!.shape}]; reshape a vector to [1, n] or [n, 1]`,
    );
  }
  const [left, right] = [a!, b!].map(x => operand(aten, asMatrix(aten, x))) as [TorchTensor, TorchTensor];
  const factors = [
    transposeA ? aten('transpose.int', left, -2, -1) : left,
    transposeB ? aten('transpose.int', right, -2, -1) : right,
  ];
  const y = inFloats(aten, factors, ([m, n]) => affine(aten, m!, n!, bias));
  const rank = Math.max(a!.shape.length, b!.shape.length);
  return y.shape.length === rank
    ? y
    : aten('reshape', y, [...new Array(rank - y.shape.length).fill(1), ...y.shape]);
}

/** m·n + bias, in one operator where these are matrices and the bias is a row. */
function affine(aten: Aten, m: TorchTensor, n: TorchTensor, bias: TorchTensor | undefined): TorchTensor {
  if (!bias) return aten('matmul', m, n);
  const added = likeIn(aten, bias, m);
  const areMatrices = m.shape.length === 2 && n.shape.length === 2;
  return areMatrices && bias.shape.length === 1 && bias.shape[0] === n.shape[1]
    ? aten('addmm', added, m, n)
    : aten('add.Tensor', aten('matmul', m, n), added);
}

/** CUDA has no products of whole numbers. Float64 has them up to 2^53, and those beyond 32 bits wrap as on the CPU. */
function inFloats(
  aten: Aten,
  factors: TorchTensor[],
  product: (factors: TorchTensor[]) => TorchTensor,
): TorchTensor {
  if (isOnCpu() || factors.some(({ dtype }) => dtype !== 'int32')) return product(factors);
  const wide = factors.map(x => aten('to.dtype', x, scalarType('float64')));
  return aten('to.dtype', aten('to.dtype', product(wide), scalarType('int64')), scalarType('int32'));
}

/** Without leading axes of 1, which tfjs's dense layers add: a product of two matrices is faster than a batch of one. */
function asMatrix(aten: Aten, x: TorchTensor): TorchTensor {
  const isBatchOfOne = x.shape.length > 2 && x.shape.slice(0, -2).every(size => size === 1);
  return isBatchOfOne ? aten('reshape', x, x.shape.slice(-2)) : x;
}

function fusedProduct(call: Call): TorchTensor {
  return activate(call, product(call));
}

function einsum({ list, attributes: { equation }, aten }: Call): TorchTensor {
  // tfjs's own checks, so that an equation is right or wrong on every backend alike.
  const { allDims, summedDims, idDims } = backend_util.decodeEinsumEquation(equation, list.length);
  backend_util.checkEinsumDimSizes(allDims.length, idDims, list as never);
  backend_util.getEinsumComputePath(summedDims, idDims);
  return inFloats(aten, [...list], factors => aten('einsum', equation.replace(/\s/g, ''), factors));
}

export const linearKernels: Kernels = {
  BatchMatMul: product,
  _FusedMatMul: fusedProduct,
  Einsum: einsum,
};
