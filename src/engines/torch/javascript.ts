/** Running a kernel in JavaScript, in tfjs's own cpu backend: for strings, and for what libtorch has no operator for. */
import { createRequire } from 'node:module';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { getKernel, type NamedAttrMap, type TensorInfo } from '@tensorflow/tfjs-core';
import { EngineError } from './addon.js';
import type { TorchBackend } from './backend.js';

type Input = TensorInfo | readonly TensorInfo[] | undefined;
type Inputs = Record<string, Input>;

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
  // Some of its kernels read a tensor's rank, which is not in a TensorInfo.
  const copy = ({ dataId, shape, dtype }: TensorInfo) => ({
    dataId: cpu.write(torch.readSync(dataId), shape, dtype),
    shape,
    dtype,
    rank: shape.length,
  });
  const copies: Inputs = Array.isArray(inputs) ? ([] as unknown as Inputs) : {};
  for (const [name, input] of Object.entries(inputs) as [string, TensorInfo | TensorInfo[] | undefined][])
    copies[name] = Array.isArray(input) ? input.map(copy) : input && copy(input);
  const adopt = ({ dataId, shape, dtype }: TensorInfo): TensorInfo => ({
    dataId: torch.write(cpu.readSync(dataId), shape, dtype),
    shape,
    dtype,
  });
  const results = kernel.kernelFunc({ inputs: copies as Record<string, TensorInfo>, attrs, backend: cpu });
  return Array.isArray(results) ? results.map(adopt) : adopt(results);
}
