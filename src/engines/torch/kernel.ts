/** How a kernel is written for this engine: a function from tensors and attributes to tensors, in terms of ATen operators. */
import { type KernelConfig, registerKernel, type TensorInfo } from '@tensorflow/tfjs-core';
import { EngineError } from './addon.js';
import type { Aten, KernelResult, TorchTensor } from './aten.js';
import type { TorchBackend } from './backend.js';
import { runInJavascript } from './javascript.js';

export const BACKEND_NAME = 'torch';

// biome-ignore lint/suspicious/noExplicitAny: tfjs declares attributes loosely; each kernel names the ones it reads
export type Attributes = any;

/** What one kernel call sees. */
export interface Call {
  /** The inputs by tfjs's names; a missing optional one is `undefined`. */
  readonly inputs: Readonly<Record<string, TorchTensor>>;
  /** Inputs of kernels that take a list (Concat, Pack, AddN). */
  readonly list: readonly TorchTensor[];
  readonly attributes: Attributes;
  readonly aten: Aten;
  /** Keeps an equal tensor with another memory layout in place of an input, so that the next call finds it so. */
  relay(input: string, copy: (aten: Aten, tensor: TorchTensor) => TorchTensor): TorchTensor;
}

export type Kernel = (call: Call) => KernelResult | readonly KernelResult[];

/** tfjs's name of each kernel -> its function. */
export type Kernels = Readonly<Record<string, Kernel>>;

/** Turns a table of kernels into what tfjs registers. */
export function registerKernels(kernels: Kernels): void {
  for (const [kernelName, kernel] of Object.entries(kernels)) registerKernel(configOf(kernelName, kernel));
}

function configOf(kernelName: string, kernel: Kernel): KernelConfig {
  return {
    kernelName,
    backendName: BACKEND_NAME,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const torch = backend as TorchBackend;
      const infos = (Object.values(inputs).flat() as (TensorInfo | undefined)[]).filter(info => info != null);
      if (infos.some(({ dtype }) => dtype === 'string'))
        return runInJavascript(kernelName, inputs as Record<string, TensorInfo>, attrs, torch);
      let isList = false;
      const outputs = torch.run(infos, aten => {
        const tensors: Record<string, TorchTensor> = {};
        const list: TorchTensor[] = [];
        for (const [name, info] of Object.entries(inputs) as [string, TensorInfo | undefined][]) {
          if (info == null) continue;
          tensors[name] = torch.tensorOf(info);
          list.push(tensors[name]);
        }
        try {
          const results = kernel({
            inputs: tensors,
            list,
            attributes: attrs ?? {},
            aten,
            relay: (name, copy) => torch.relay((inputs as Record<string, TensorInfo>)[name]!, copy),
          });
          isList = Array.isArray(results);
          return results;
        } catch (error) {
          throw inKernel(kernelName, inputs, error);
        }
      });
      return isList ? outputs : outputs[0]!;
    },
  };
}

/** The failure of an operator, with what its user knows: tfjs's kernel, and the tensors as they were given to it. */
function inKernel(kernelName: string, inputs: object, error: unknown): unknown {
  if (!(error instanceof EngineError)) return error;
  const given = Object.entries(inputs)
    .filter(([, info]) => info != null)
    .map(([name, info]) => `${name}: ${[info].flat().map(typed).join(' + ')}`);
  const reason = error.message.replace(/^torch: /, '');
  const named = new EngineError(`torch: ${kernelName}(${given.join(', ')}): ${reason}`, {
    cause: error.cause,
  });
  named.stack = `${named.name}: ${named.message}\n${framesOf(error)}`; // which begin at the operator
  return named;
}

/** `'float32 [2, 3]'` */
function typed({ dtype, shape }: TensorInfo): string {
  return `${dtype} [${shape.join(', ')}]`;
}

function framesOf({ stack = '' }: Error): string {
  return stack.slice(stack.search(/^ +at /m));
}
