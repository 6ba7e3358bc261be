/** A step of the torch engine: recorded while it runs, then replayed by one native call. */
import { engine, type Tensor, type TensorInfo, type Variable } from '@tensorflow/tfjs-core';
import { unshare } from '../unshare.js';
import type { Handle, ProgramId } from './addon.js';
import type { TorchBackend } from './backend.js';
import { Recording, type VariableTensor } from './recording.js';

/** Runs `step` and writes down its operators; its outputs are its own. */
export function recordStep<Outputs extends readonly Tensor[]>(
  torch: TorchBackend,
  inputs: readonly Tensor[],
  step: () => Outputs,
): { outputs: Outputs; recording: Recording } {
  const variables = variablesOf(torch);
  const recording = new Recording(
    torch.native.addon,
    inputs.map(input => torch.tensorOf(input)),
    variables,
  );
  try {
    const outputs = torch.recorded(recording, () => {
      const tensors = step();
      // Whatever is computed by its first reader is computed inside the step.
      for (const tensor of tensors) torch.tensorOf(tensor);
      return tensors;
    });
    const after = variablesOf(torch);
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
  return Object.values(engine().registeredVariables)
    .filter(variable => variable.dtype !== 'string' && torch.holds(variable.dataId))
    .map(variable => ({ variable, tensor: torch.tensorOf(variable) }));
}

export class TorchProgram {
  readonly #torch: TorchBackend;
  readonly #id: ProgramId;
  readonly #inputVariables: readonly Variable[];
  readonly #outputVariables: readonly Variable[];

  constructor(torch: TorchBackend, recording: Recording) {
    const { plan, inputVariables, outputVariables } = recording.program();
    this.#torch = torch;
    this.#id = torch.native.addon.compile(plan);
    this.#inputVariables = inputVariables;
    this.#outputVariables = outputVariables;
  }

  /** @returns the step's outputs; its variables have their new values */
  run(inputs: readonly TensorInfo[]): Tensor[] {
    const torch = this.#torch;
    const handles: Handle[] = inputs.map(input => torch.tensorOf(input).handle);
    for (const variable of this.#inputVariables) {
      unshare(variable);
      handles.push(torch.ownTensorOf(variable).handle);
    }
    const results = torch.replayed(this.#id, handles).map(info => engine().makeTensorFromTensorInfo(info));
    const assigned = results.splice(results.length - this.#outputVariables.length);
    this.#outputVariables.forEach((variable, i) => {
      variable.assign(assigned[i]!);
      assigned[i]!.dispose();
    });
    return results;
  }

  dispose(): void {
    this.#torch.native.addon.forget(this.#id);
  }
}
