/** Optimizer steps that change all variables in one native call; engine-neutral side and fallback: src/ops/optimizerStep.ts. */
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import type { TorchTensor } from '../aten.js';
import type { TorchBackend } from '../backend.js';
import { BACKEND_NAME } from '../kernel.js';

type Lists = Record<string, TensorInfo[]>;

const sgd: KernelConfig = {
  kernelName: 'SgdStep',
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, attrs, backend }) => {
    const torch = backend as TorchBackend;
    const { variables, gradients, velocities, learningRate, loss } = inputs as unknown as Lists;
    const { rateFactors, weightDecays, momentum, nesterov } = attrs as never;
    return torch.run([], aten => {
      aten.run(
        'padezoo::sgd_',
        variables!.map(info => torch.ownTensorOf(info)),
        gradients!.map(info => torch.tensorOf(info)),
        momentsOf(torch, variables!, velocities!),
        torch.tensorOf(learningRate![0]!),
        rateFactors,
        weightDecays,
        momentum,
        nesterov,
        optional(torch, loss!),
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
    const { variables, gradients, firstMoments, secondMoments, step, learningRate, loss } =
      inputs as unknown as Lists;
    const { rateFactors, weightDecays, beta1, beta2, epsilon, decoupled } = attrs as never;
    return torch.run([], aten => {
      aten.run(
        'padezoo::adam_',
        variables!.map(info => torch.ownTensorOf(info)),
        gradients!.map(info => torch.tensorOf(info)),
        momentsOf(torch, variables!, firstMoments!),
        momentsOf(torch, variables!, secondMoments!),
        torch.ownTensorOf(step![0]!),
        torch.tensorOf(learningRate![0]!),
        rateFactors,
        weightDecays,
        beta1,
        beta2,
        epsilon,
        decoupled,
        optional(torch, loss!),
      );
      return [];
    });
  },
};

const optional = (torch: TorchBackend, [info]: readonly TensorInfo[]) => (info ? torch.tensorOf(info) : null);

/** Moments in the memory layout of their variables, which the native kernel walks together. */
function momentsOf(
  torch: TorchBackend,
  variables: readonly TensorInfo[],
  moments: readonly TensorInfo[],
): TorchTensor[] {
  return moments.map((moment, i) => {
    const variable = torch.tensorOf(variables[i]!);
    const own = torch.ownTensorOf(moment);
    if (own.layout === variable.layout) return own;
    return torch.relay(moment, (aten, present) => ({
      ...aten('copy_', aten('empty_like', variable), present),
      layout: variable.layout,
    }));
  });
}

export const optimizerKernels: readonly KernelConfig[] = [sgd, adam];
