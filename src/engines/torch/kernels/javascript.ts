/** Kernels that calculate in JavaScript, in tfjs's own cpu backend: strings, ragged tensors, and what is rare or has no parallel form. */
import { createRequire } from 'node:module';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { getKernel, type KernelConfig, type NamedAttrMap, type TensorInfo } from '@tensorflow/tfjs-core';
import { EngineError } from '../addon.js';
import type { TorchBackend } from '../backend.js';

const BACKEND_NAME = 'torch';

/** What libtorch has no operator for; nothing in here belongs on a training step's path. */
const KERNEL_NAMES = [
  // the result's shape, or an error, depends on the values
  'BroadcastArgs',
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV4',
  'NonMaxSuppressionV5',
  'RaggedGather',
  'RaggedRange',
  'RaggedTensorToTensor',
  'SparseFillEmptyRows',
  'SparseReshape',
  'SparseSegmentMean',
  'SparseSegmentSum',
  'Unique',
  // tfjs's own random numbers, so that a seed means the same on every backend
  'Multinomial',
  // images
  'CropAndResize',
  'Dilation2D',
  'Dilation2DBackpropFilter',
  'Dilation2DBackpropInput',
  'RotateWithOffset',
  'Transform',
  // strings
  'StaticRegexReplace',
  'StringNGrams',
  'StringSplit',
  'StringToHashBucketFast',
] as const;

type Inputs = Record<string, TensorInfo | undefined>;

/** Loaded by the first kernel that needs it: importing the package registers a backend, which nobody asked for. */
const cpuPackage = (): typeof import('@tensorflow/tfjs-backend-cpu') =>
  createRequire(import.meta.url)('@tensorflow/tfjs-backend-cpu');

/** Runs tfjs's cpu kernel on copies of the inputs; its results come back to the torch engine. */
export function runInJavascript(
  kernelName: string,
  inputs: Inputs,
  attrs: NamedAttrMap | undefined,
  torch: TorchBackend,
): TensorInfo | TensorInfo[] {
  const { MathBackendCPU } = cpuPackage();
  const kernel = getKernel(kernelName, 'cpu');
  if (!kernel) throw new EngineError(`torch: ${kernelName} does not take strings`);
  // A backend for this call alone, so whatever the kernel leaves in it is garbage afterwards. Not its first use: on
  // that it prints advice.
  const cpu: MathBackendCPU = Object.assign(new MathBackendCPU(), { firstUse: false });
  const copies: Inputs = Array.isArray(inputs) ? ([] as unknown as Inputs) : {};
  for (const [name, info] of Object.entries(inputs)) {
    if (info == null) continue;
    const { shape, dtype } = info;
    copies[name] = { dataId: cpu.write(torch.readSync(info.dataId), shape, dtype), shape, dtype };
  }
  const adopt = ({ dataId, shape, dtype }: TensorInfo): TensorInfo => ({
    dataId: torch.write(cpu.readSync(dataId), shape, dtype),
    shape,
    dtype,
  });
  const results = kernel.kernelFunc({ inputs: copies as Record<string, TensorInfo>, attrs, backend: cpu });
  return Array.isArray(results) ? results.map(adopt) : adopt(results);
}

export const javascriptKernels: readonly KernelConfig[] = KERNEL_NAMES.map(kernelName => ({
  kernelName,
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, attrs, backend }) =>
    runInJavascript(kernelName, inputs, attrs, backend as TorchBackend),
}));
