/** Optimizer steps that change all variables in one native call; engine-neutral side and fallback: src/ops/optimizerStep.ts. */
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import type { TorchBackend } from '../backend.js';
import { BACKEND_NAME } from '../kernel.js';

type Lists = Record<string, TensorInfo[]>;

const sgd: KernelConfig = {
  kernelName: 'SgdStep',
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, attrs, backend }) => {
    const torch = backend as TorchBackend;
    const { variables, gradients, velocities } = inputs as unknown as Lists;
    const { learningRates, weightDecays, momentum, nesterov } = attrs as never;
    const own = (info: TensorInfo) => torch.ownTensorOf(info);
    return torch.run([], aten => {
      const read = gradients!.map(info => torch.tensorOf(info));
      aten.run(
        'padezoo::sgd_',
        variables!.map(own),
        read,
        velocities!.map(own),
        learningRates,
        weightDecays,
        momentum,
        nesterov,
      );
      return [];
    });
  },
};

const adam: KernelConfig = {
  kernelName: 'AdamStep',
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, attrs, backend }) => {
    const torch = backend as TorchBackend;
    const { variables, gradients, firstMoments, secondMoments } = inputs as unknown as Lists;
    const { learningRates, weightDecays, beta1, beta2, epsilon, step, decoupled } = attrs as never;
    const own = (info: TensorInfo) => torch.ownTensorOf(info);
    return torch.run([], aten => {
      aten.run(
        'padezoo::adam_',
        variables!.map(own),
        gradients!.map(info => torch.tensorOf(info)),
        firstMoments!.map(own),
        secondMoments!.map(own),
        learningRates,
        weightDecays,
        beta1,
        beta2,
        epsilon,
        step,
        decoupled,
      );
      return [];
    });
  },
};

export const optimizerKernels: readonly KernelConfig[] = [sgd, adam];
