/** The native addon as TypeScript sees it: loading it, and the types of what it offers (native/addon/addon.cpp). */
import { createRequire } from 'node:module';
import { type AddonRecord, buildAddonNow, findAddon } from '#setup';
import { PadezooError } from '../../errors.js';

/** A tensor that the addon holds; release it once. */
export type Handle = number & { readonly brand: 'torch tensor' };

/** An operator that `operator` has found. */
export type OperatorId = number & { readonly brand: 'torch operator' };

/** The addon's dtype codes are indices into this list. */
export const TORCH_DTYPES = [
  'float32',
  'int32',
  'bool',
  'int64',
  'float64',
  'bfloat16',
  'complex64',
  'uint8',
] as const;
export type TorchDtype = (typeof TORCH_DTYPES)[number];

/** In `Addon.meta`, in place of a dtype code: `describe` tells about this result and those after it. */
export const META_FULL = -1;

/** One operator call of a program; tensors among `args` are slot numbers. */
export interface PlannedCall {
  readonly operator: OperatorId;
  readonly args: readonly unknown[];
  /** The slots of its tensor results, in order. */
  readonly results: readonly number[];
  /** The slots that nothing needs after it. */
  readonly released: readonly number[];
}

/** What `Addon.compile` takes. Slots are numbered: inputs first, then constants, then results. */
export interface ProgramPlan {
  /** `[dtype code, ...sizes]` of what `replay` will be given. */
  readonly inputs: readonly (readonly number[])[];
  readonly constants: readonly Handle[];
  readonly calls: readonly PlannedCall[];
  /** The slots that `replay` returns. */
  readonly outputs: readonly number[];
  readonly slots: number;
}

export type ProgramId = number;

/** How a program runs. */
export interface ProgramReport {
  readonly mode: 'calls' | 'warming up' | 'graph';
  /** Why it is no graph where it should be one. */
  readonly reason: string;
  /** The memory that a run lays its large blocks out in; 0 until one run was watched, and on a GPU. */
  readonly plannedBytes: number;
  /** What these blocks would take were each alone. */
  readonly blockBytes: number;
}

export interface Addon {
  /** libtorch's version, e.g. `'2.13.0'` */
  readonly version: string;
  /** After `call`: dtype code, rank and sizes of each tensor result, one after the other; `META_FULL` where they end. */
  readonly meta: Int32Array;
  operator(name: string, overload: string): OperatorId;
  call(operator: OperatorId, args: readonly unknown[]): unknown;
  create(data: ArrayBufferView, shape: readonly number[], dtype: number): Handle;
  read(handle: Handle): ArrayBuffer;
  /** `read` on a thread of its own. */
  readAsync(handle: Handle): Promise<ArrayBuffer>;
  /** `[dtype code, ...sizes]` */
  describe(handle: Handle): number[];
  /** Another handle of the same tensor, released by itself. */
  retain(handle: Handle): Handle;
  release(handle: Handle): void;
  compile(plan: ProgramPlan): ProgramId;
  /** Runs a program; shapes of the outputs are in `meta`. */
  replay(program: ProgramId, inputs: readonly Handle[]): Handle[];
  forget(program: ProgramId): void;
  exclusive(handle: Handle): boolean;
  memory(): { tensors: number; usedBytes: number; cachedBytes: number };
  releaseMemory(): void;
  threads(): number;
  setThreads(count: number): void;
  /** How many GPUs libtorch sees; `null` for a libtorch without CUDA. */
  gpus(): number | null;
  /** `'cpu'` or `'cuda:0'` */
  device(): string;
  /** New tensors are made there from now on, and those that exist move there. */
  setDevice(device: string): void;
  setFastMath(tf32: boolean, measured: boolean): void;
  describeProgram(program: ProgramId): ProgramReport;
}

/** The torch engine failed; `message` names the operator and the shapes it was given. */
export class EngineError extends PadezooError {
  override readonly name = 'EngineError';
}

export interface LoadedAddon {
  readonly addon: Addon;
  readonly record: AddonRecord;
}

let loaded: LoadedAddon | undefined;

/**
 * How often a waiting thread of GNU OpenMP looks before it sleeps, about 40 microseconds: longer than we take from one
 * operator to the next. Its own default, 300,000 times, holds a core for ten milliseconds that another program may
 * need: with six programs on 2 cores a LeNet step then took 3,000 ms, and 40 with this.
 */
const SPINS = '1000';

/**
 * Loads the addon; builds it first if this machine has none yet (and says so on standard error).
 *
 * @throws EngineError that says what to install, when it cannot be built or loaded
 */
export function loadAddon(): LoadedAddon {
  if (loaded) return loaded;
  if (process.env.PADEZOO_NO_ENGINE === '1')
    throw new EngineError('torch: switched off by PADEZOO_NO_ENGINE=1');
  try {
    const record = findAddon() ?? buildAddonNow();
    // OpenMP reads it when libtorch is loaded. A worker's environment is a copy that it does not see.
    if (!process.env.OMP_WAIT_POLICY) process.env.GOMP_SPINCOUNT ??= SPINS;
    loaded = { addon: createRequire(import.meta.url)(record.addon) as Addon, record };
    return loaded;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError(`torch: ${reason}`, { cause });
  }
}
