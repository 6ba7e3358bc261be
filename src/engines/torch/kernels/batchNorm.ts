/** Batch normalisation over the batch's own statistics; the op and its fallback: src/ops/batchNorm.ts. */
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import type { Aten, TorchTensor } from '../aten.js';
import type { TorchBackend } from '../backend.js';
import { BACKEND_NAME } from '../kernel.js';

/** -> [y, mean, 1 / √(variance + epsilon)]; changes the running statistics in place. */
const training: KernelConfig = {
  kernelName: 'BatchNormTraining',
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, attrs, backend }) => {
    const torch = backend as TorchBackend;
    const { x, gamma, beta, runningMean, runningVariance } = inputs as Record<string, TensorInfo>;
    const { momentum, epsilon } = attrs as { momentum: number; epsilon: number };
    const running = [torch.ownTensorOf(runningMean!), torch.ownTensorOf(runningVariance!)] as const;
    return torch.run([], aten => {
      const [y, mean, inverseDeviation] = aten.tuple(
        'native_batch_norm',
        channelsSecond(aten, torch.tensorOf(x!)),
        torch.tensorOf(gamma!),
        torch.tensorOf(beta!),
        ...running,
        true,
        momentum,
        epsilon,
      );
      return [channelsLast(aten, y!), mean!, inverseDeviation!];
    });
  },
};

/** -> [dx, dgamma, dbeta] */
const gradient: KernelConfig = {
  kernelName: 'BatchNormTrainingGrad',
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, attrs, backend }) => {
    const torch = backend as TorchBackend;
    const { dy, x, gamma, mean, inverseDeviation } = inputs as Record<string, TensorInfo>;
    const { epsilon } = attrs as { epsilon: number };
    return torch.run([], aten => {
      const [dx, dgamma, dbeta] = aten.tuple(
        'native_batch_norm_backward',
        channelsSecond(aten, torch.tensorOf(dy!)),
        channelsSecond(aten, torch.tensorOf(x!)),
        torch.tensorOf(gamma!),
        null,
        null,
        torch.tensorOf(mean!),
        torch.tensorOf(inverseDeviation!),
        true,
        epsilon,
        [true, true, true],
      );
      return [channelsLast(aten, dx!), dgamma!, dbeta!];
    });
  },
};

/** A view `[n, c, ...]` of the same bytes. */
function channelsSecond(aten: Aten, x: TorchTensor): TorchTensor {
  return aten('movedim.int', x, -1, 1);
}

function channelsLast(aten: Aten, x: TorchTensor): TorchTensor {
  return aten('movedim.int', x, 1, -1);
}

export const batchNormKernels: readonly KernelConfig[] = [training, gradient];
