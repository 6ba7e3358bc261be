/** The Padé activation's kernels: one native call each (native/operators/pade.cpp). Gradient and fallback: src/ops/pade.ts. */
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import type { TorchBackend } from '../backend.js';
import { BACKEND_NAME, type Kernel, type Kernels } from '../kernel.js';

const forward: Kernel = ({
  inputs: { x, numerator, denominator, key },
  attributes: { form, q, noise },
  aten,
}) => aten('pade::forward', x!, numerator!, denominator!, form, q, key ?? null, noise);

const backward: Kernel = ({
  inputs: { dy, x, numerator, denominator, key },
  attributes: { form, q, noise },
  aten,
}) => aten.tuple('pade::backward', dy!, x!, numerator!, denominator!, form, q, key ?? null, noise);

export const padeKernels: Kernels = {
  Pade: forward,
  PadeGrad: backward,
  NoisyPade: forward,
  NoisyPadeGrad: backward,
};

/** A layer's noise: the present key, and the counter one further, changed in its own memory (src/ops/nextKey.ts). */
export const nextKeyKernel: KernelConfig = {
  kernelName: 'NextKey',
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, backend }) => {
    const torch = backend as TorchBackend;
    const counter = torch.ownTensorOf(inputs.counter as TensorInfo);
    const [key] = torch.run([], aten => {
      const present = aten('clone', counter);
      aten.run('add_.Scalar', aten('select.int', counter, 0, 1), 1);
      return present;
    });
    return key!;
  },
};
