/** Batch normalisation with given statistics (inference). */
import type { TorchTensor } from '../aten.js';
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

export const normalizationKernels: Kernels = { FusedBatchNorm: batchNorm };
