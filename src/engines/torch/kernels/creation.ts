/** Kernels that make tensors from nothing; registered by hand, because they have no input to take the engine from. */
import { type KernelConfig, util } from '@tensorflow/tfjs-core';
import { scalarType } from '../aten.js';
import type { TorchBackend } from '../backend.js';
import { BACKEND_NAME } from '../kernel.js';

const fill: KernelConfig = {
  kernelName: 'Fill',
  backendName: BACKEND_NAME,
  kernelFunc: ({ attrs, backend }) => {
    const torch = backend as TorchBackend;
    const { shape, value, dtype } = attrs as unknown as {
      shape: number[];
      value: number | string;
      dtype?: 'float32';
    };
    if (typeof value === 'string') {
      const encoded = util.encodeString(value);
      return torch.ofStrings(new Array(util.sizeFromShape(shape)).fill(encoded), shape);
    }
    return torch.run([], aten => aten('full', shape, value, scalarType(dtype ?? 'float32')))[0]!;
  },
};

const range: KernelConfig = {
  kernelName: 'Range',
  backendName: BACKEND_NAME,
  kernelFunc: ({ attrs, backend }) => {
    const { start, stop, step, dtype } = attrs as unknown as {
      start: number;
      stop: number;
      step: number;
      dtype: 'float32' | 'int32';
    };
    const down = stop < start;
    const by = down && step === 1 ? -1 : step; // tfjs: the default step goes where `stop` is
    const empty = start === stop || down !== by < 0;
    const torch = backend as TorchBackend;
    return torch.run([], aten =>
      empty
        ? aten('empty.memory_format', [0], scalarType(dtype))
        : aten('arange.start_step', start, stop, by, scalarType(dtype)),
    )[0]!;
  },
};

const linearSpace: KernelConfig = {
  kernelName: 'LinSpace',
  backendName: BACKEND_NAME,
  kernelFunc: ({ attrs, backend }) => {
    const { start, stop, num } = attrs as Record<'start' | 'stop' | 'num', number>;
    return (backend as TorchBackend).run([], aten =>
      aten('linspace', start, stop, num, scalarType('float32')),
    )[0]!;
  },
};

export const creationKernels: readonly KernelConfig[] = [fill, range, linearSpace];
