/** A function of tensors whose operators are recorded the first times, then replayed in one native call. */
import * as tf from '@tensorflow/tfjs-core';
import { OptionsError } from '../errors.js';
import type { ProgramReport } from './torch/addon.js';
import { TorchBackend } from './torch/index.js';
import { enginePrecision } from './torch/precision.js';
import { recordStep, TorchProgram } from './torch/program.js';
import type { Recording } from './torch/recording.js';

/**
 * `'recording'`: runs as it is, and is written down; `'replaying'`: runs without JavaScript; `'eager'`: runs as it is,
 * because it cannot be replayed.
 */
export type StepMode = 'recording' | 'replaying' | 'eager';

/** Whether a step may be replayed; `'never'` always runs it as it is. */
export type StepCompilation = 'auto' | 'never';

/** What is known of a step for one set of input shapes. */
interface Entry {
  mode: StepMode;
  recordings: number;
  last?: Recording | undefined;
  program?: TorchProgram | undefined;
  /** Why it is `'eager'`, or differed from one time to the next. */
  reason?: string | undefined;
}

/** A step is replayed once two recordings in a row agree; the first may differ (weights change their memory layout). */
const MOST_RECORDINGS = 4;

/**
 * Makes a step of operators on tensors fast: once it has run twice alike, one native call replays it.
 *
 * What may change from call to call must be an input or a variable; any other number is frozen, and if it is seen to
 * change, the step goes on as it is and `reason` says why. So does a step that reads values back into JavaScript. Shapes
 * that were not seen before are recorded anew. On a GPU the native call captures a CUDA graph and launches that. On engines
 * other than torch the step just runs.
 *
 * ```ts
 * const step = new CompiledStep(([x, rate]) => [loss]); // gradients and updates of variables included
 * const [loss] = step.run([x, rate]);
 * ```
 */
export class CompiledStep {
  readonly #step: (inputs: readonly tf.Tensor[]) => tf.Tensor[];
  readonly #compilation: StepCompilation;
  readonly #entries = new Map<string, Entry>();
  #latest: Entry | undefined;
  /** Of the latest call alone; the next one may be replayed. */
  #obstacle: string | undefined;

  /** @param step synchronous; borrows its inputs and returns new tensors */
  constructor(step: (inputs: readonly tf.Tensor[]) => tf.Tensor[], compilation: StepCompilation = 'auto') {
    if (compilation !== 'auto' && compilation !== 'never')
      throw new OptionsError(`compile: must be 'auto' or 'never', got '${String(compilation)}'`);
    this.#step = step;
    this.#compilation = compilation;
  }

  /** How the next call like the latest one will run. */
  get mode(): StepMode | undefined {
    return this.#latest?.mode;
  }

  /** Why the latest call was not replayed, where there is a reason. */
  get reason(): string | undefined {
    return this.#obstacle ?? this.#latest?.reason;
  }

  /**
   * How a replayed step runs: its operators one by one, or as one graph of the GPU, and why as no graph on a GPU; and the
   * memory that its temporaries share.
   */
  get replay(): ProgramReport | undefined {
    return this.#latest?.program?.report;
  }

  /** Runs the step once; its outputs are the caller's. */
  run(inputs: readonly tf.Tensor[]): tf.Tensor[] {
    const key = [tf.getBackend(), deviceOf(tf.backend()), enginePrecision(), ...inputs.map(typed)].join();
    const entry = this.#entries.get(key) ?? this.#newEntry();
    this.#entries.set(key, entry);
    this.#latest = entry;
    this.#obstacle = entry.mode === 'eager' ? undefined : obstacle(entry, inputs);
    if (entry.mode === 'eager' || this.#obstacle) return tf.tidy(() => this.#step(inputs));
    return entry.program ? entry.program.run(inputs) : this.#record(entry, inputs);
  }

  #newEntry(): Entry {
    if (this.#compilation === 'never') return { mode: 'eager', recordings: 0, reason: "compile is 'never'" };
    if (tf.backend() instanceof TorchBackend) return { mode: 'recording', recordings: 0 };
    return { mode: 'eager', recordings: 0, reason: `the engine ${tf.getBackend()} has no programs` };
  }

  #record(entry: Entry, inputs: readonly tf.Tensor[]): tf.Tensor[] {
    const torch = tf.backend() as TorchBackend;
    const { outputs, recording } = recordStep(torch, inputs, () => tf.tidy(() => this.#step(inputs)));
    entry.recordings++;
    const difference = entry.last && recording.difference(entry.last);
    entry.reason = recording.problem ?? difference;
    if (entry.last && !entry.reason) {
      entry.program = new TorchProgram(torch, recording);
      entry.mode = 'replaying';
    } else if (recording.problem || entry.recordings === MOST_RECORDINGS) {
      entry.mode = 'eager';
    }
    entry.last?.dispose();
    entry.last = recording;
    if (entry.mode !== 'recording') {
      recording.dispose();
      entry.last = undefined;
    }
    return outputs;
  }

  /** Forgets all programs and what they hold. */
  dispose(): void {
    for (const { program, last } of this.#entries.values()) {
      program?.dispose();
      last?.dispose();
    }
    this.#entries.clear();
  }
}

/** A program holds its constants where it was recorded. */
function deviceOf(backend: tf.KernelBackend): string {
  return backend instanceof TorchBackend ? backend.native.addon.device() : '';
}

/**
 * `'bfloat16[2,3]'`: the dtype of the tensor itself, where tfjs knows two by one name; of a variable that which a program
 * would be given.
 */
function typed(input: tf.Tensor): string {
  const torch = tf.backend();
  if (!(torch instanceof TorchBackend)) return `${input.dtype}[${input.shape}]`;
  const { dtype, shape } = input instanceof tf.Variable ? torch.wideTensorOf(input) : torch.tensorOf(input);
  return `${dtype}[${shape}]`;
}

/** Why one call runs as it is, though others of its shapes are recorded or replayed. */
function obstacle(entry: Entry, inputs: readonly tf.Tensor[]): string | undefined {
  const { state, registeredVariables } = tf.engine();
  if (state.gradientDepth > 0) return 'a gradient is taken through it';
  if ((tf.backend() as TorchBackend).isRecording) return 'it is part of another step that is being recorded';
  if (entry.program) return undefined;
  const known = new Set(Object.values(registeredVariables).map(({ dataId }) => dataId));
  for (const [i, { dataId }] of inputs.entries()) {
    if (known.has(dataId))
      return `input ${i} is a variable or another input as well; which of them it reads is not known`;
    known.add(dataId);
  }
  return undefined;
}
