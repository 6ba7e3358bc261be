/** Batch normalisation over the batch's own statistics; the op and its fallback: src/ops/batchNorm.ts, native: batch_norm.cpp. */
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
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
    return torch.run([], aten =>
      aten.tuple(
        'padezoo::batch_norm',
        torch.tensorOf(x!),
        torch.tensorOf(gamma!),
        torch.tensorOf(beta!),
        ...running,
        momentum,
        epsilon,
      ),
    );
  },
};

/** -> [dx, dgamma, dbeta] */
const gradient: KernelConfig = {
  kernelName: 'BatchNormTrainingGrad',
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, backend }) => {
    const torch = backend as TorchBackend;
    const { dy, x, gamma, mean, inverseDeviation } = inputs as Record<string, TensorInfo>;
    return torch.run([], aten =>
      aten.tuple(
        'padezoo::batch_norm_backward',
        torch.tensorOf(dy!),
        torch.tensorOf(x!),
        torch.tensorOf(gamma!),
        torch.tensorOf(mean!),
        torch.tensorOf(inverseDeviation!),
      ),
    );
  },
};

export const batchNormKernels: readonly KernelConfig[] = [training, gradient];
