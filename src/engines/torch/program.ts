/** A step of the torch engine: recorded while it runs, then replayed by one native call. */
import { engine, type Tensor, type TensorInfo, type Variable } from '@tensorflow/tfjs-core';
import { unshare } from '../unshare.js';
import type { ProgramId, ProgramReport } from './addon.js';
import type { TorchBackend } from './backend.js';
import { filterLayout } from './kernels/convolution.js';
import { Recording, type VariableTensor } from './recording.js';

/** Runs `step` and writes down its operators; its outputs are its own. */
export function recordStep<Outputs extends readonly Tensor[]>(
  torch: TorchBackend,
  inputs: readonly Tensor[],
  step: () => Outputs,
): { outputs: Outputs; recording: Recording } {
  makeDistinct(torch);
  const variables = variablesOf(torch);
  const recording = new Recording(
    torch.native.addon,
    inputs.map(input => torch.tensorOf(input)),
    variables,
  );
  try {
    const [outputs, after] = torch.recorded(recording, () => {
      const tensors = step();
      // Whatever is computed by its first reader is computed inside the step.
      for (const tensor of tensors) torch.tensorOf(tensor);
      return [tensors, variablesOf(torch)] as const;
    });
    if (after.length !== variables.length) recording.refuse('it made or disposed variables');
    recording.finish(
      outputs.map(output => torch.tensorOf(output)),
      after,
    );
    return { outputs, recording };
  } catch (error) {
    recording.dispose();
    throw error;
  }
}

/** Every variable of this backend, with its tensor. */
function variablesOf(torch: TorchBackend): VariableTensor[] {
  return variablesIn(torch).map(variable => ({ variable, tensor: torch.tensorOf(variable) }));
}

function variablesIn(torch: TorchBackend): Variable[] {
  return Object.values(engine().registeredVariables).filter(
    variable => variable.dtype !== 'string' && torch.holds(variable.dataId),
  );
}

/** Two variables with the same data would be one to a recording; and a program is given all of them as tfjs takes them. */
function makeDistinct(torch: TorchBackend): void {
  const seen = new Set<object>();
  for (const variable of variablesIn(torch)) {
    if (seen.has(variable.dataId)) unshare(variable);
    torch.wideTensorOf(variable);
    seen.add(variable.dataId);
  }
}

export class TorchProgram {
  readonly #torch: TorchBackend;
  readonly #id: ProgramId;
  readonly #inputVariables: readonly VariableTensor[];
  readonly #outputVariables: readonly Variable[];

  constructor(torch: TorchBackend, recording: Recording) {
    const { plan, inputVariables, outputVariables } = torch.programOf(recording);
    this.#torch = torch;
    this.#id = torch.native.addon.compile(plan);
    this.#inputVariables = inputVariables;
    this.#outputVariables = outputVariables;
  }

  /** @returns the step's outputs; its variables have their new values */
  run(inputs: readonly TensorInfo[]): Tensor[] {
    const torch = this.#torch;
    const variables = this.#inputVariables.map(({ variable, tensor: { layout } }) => {
      unshare(variable);
      // A filter that was set anew: its convolution laid it out before the step was recorded, and would do so again.
      if (layout && !torch.tensorOf(variable).layout) torch.relay(variable, filterLayout);
      return torch.ownTensorOf(variable).handle;
    });
    // After that: an input may be a variable, too.
    const handles = [...inputs.map(input => torch.tensorOf(input).handle), ...variables];
    const results = torch.replayed(this.#id, handles).map(info => engine().makeTensorFromTensorInfo(info));
    const assigned = results.splice(results.length - this.#outputVariables.length);
    this.#outputVariables.forEach((variable, i) => {
      variable.assign(assigned[i]!);
      assigned[i]!.dispose();
    });
    return results;
  }

  /** How the latest run went. */
  get report(): ProgramReport {
    return this.#torch.native.addon.describeProgram(this.#id);
  }

  dispose(): void {
    this.#torch.native.addon.forget(this.#id);
  }
}
