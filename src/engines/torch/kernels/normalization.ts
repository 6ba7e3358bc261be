/** Normalisations: over the batch with given statistics (inference), over neighbouring channels. */
import type { Aten, TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';

/** (x - mean) / √(variance + epsilon) · scale + offset; statistics per channel, or of a shape that broadcasts. */
function batchNorm({ inputs, attributes: { varianceEpsilon }, aten }: Call): TorchTensor {
  const { x, mean, variance, scale, offset } = inputs;
  const epsilon = varianceEpsilon ?? 0.001;
  if (mean!.shape.length === 1 && x!.shape.length > 1) {
    const channelsSecond = aten('movedim.int', x!, -1, 1);
    const [y] = aten.tuple(
      'native_batch_norm',
      channelsSecond,
      scale ?? null,
      offset ?? null,
      mean!,
      variance!,
      false,
      0,
      epsilon,
    );
    return aten('movedim.int', y!, 1, -1);
  }
  const deviation = aten('rsqrt', aten('add.Scalar', variance!, epsilon));
  const normal = aten('mul.Tensor', aten('sub.Tensor', x!, mean!), deviation);
  const scaled = scale ? aten('mul.Tensor', normal, scale) : normal;
  return offset ? aten('add.Tensor', scaled, offset) : scaled;
}

/** The sum over the channels that are at most `radius` away. */
function neighbours(aten: Aten, x: TorchTensor, radius: number): TorchTensor {
  const windows = aten('unfold', aten('constant_pad_nd', x, [radius, radius], 0), -1, 2 * radius + 1, 1);
  return aten('sum.dim_IntList', windows, [-1], false);
}

/** bias + alpha · Σ x² over neighbouring channels */
function localNorm(
  aten: Aten,
  x: TorchTensor,
  { depthRadius, bias, alpha }: Call['attributes'],
): TorchTensor {
  const energy = neighbours(aten, aten('square', x), depthRadius);
  return aten('add.Scalar', aten('mul.Scalar', energy, alpha), bias);
}

/** x / norm^beta (Krizhevsky et al. 2012, section 3.3) */
function localResponse({ inputs: { x }, attributes, aten }: Call): TorchTensor {
  const norm = localNorm(aten, x!, attributes);
  return aten('mul.Tensor', x!, aten('pow.Tensor_Scalar', norm, -attributes.beta));
}

/** dy / norm^beta - 2 · alpha · beta · x · Σ dy · y / norm */
function localResponseGradient({ inputs: { x, y, dy }, attributes, aten }: Call): TorchTensor {
  const { alpha, beta, depthRadius } = attributes;
  const norm = localNorm(aten, x!, attributes);
  const own = aten('mul.Tensor', dy!, aten('pow.Tensor_Scalar', norm, -beta));
  const shares = aten('div.Tensor', aten('mul.Tensor', dy!, y!), norm);
  const others = aten('mul.Tensor', x!, neighbours(aten, shares, depthRadius));
  return aten('sub.Tensor', own, aten('mul.Scalar', others, 2 * alpha * beta));
}

export const normalizationKernels: Kernels = {
  FusedBatchNorm: batchNorm,
  LRN: localResponse,
  LRNGrad: localResponseGradient,
};
