/** Calling libtorch's operators by name: `aten('add.Tensor', x, y)`; what a kernel makes and does not return is released. */
import {
  type Addon,
  EngineError,
  type Handle,
  META_FULL,
  type OperatorId,
  type ProgramId,
  TORCH_DTYPES,
  type TorchDtype,
} from './addon.js';
import type { Recording } from './recording.js';

/** A tensor inside a kernel: libtorch's, with the shape that TypeScript wants to know. */
export interface TorchTensor {
  readonly handle: Handle;
  readonly shape: number[];
  readonly dtype: TorchDtype;
  /** What the kernel that made it keeps for its gradient (a pooling's indices); released together with it. */
  readonly companions?: readonly TorchTensor[];
  /** The order of its elements in memory, where it is not that of its axes; see `filterLayout` in kernels/convolution.ts. */
  readonly layout?: 'filter' | undefined;
}

/**
 * A result that is computed when someone reads it, and never if it is disposed first. tfjs's fused convolution asks for
 * the input's gradient even of the first layer, where nobody wants it and it costs more than the rest of the layer.
 */
export interface PendingTensor {
  readonly shape: number[];
  readonly dtype: TorchDtype;
  /** The tensors that `compute` reads, in its order; they stay alive until then. */
  readonly uses: readonly TorchTensor[];
  compute(aten: Aten, uses: readonly TorchTensor[]): TorchTensor;
}

export type KernelResult = TorchTensor | PendingTensor;

export function isPending(result: KernelResult): result is PendingTensor {
  return 'compute' in result;
}

/**
 * What an operator takes; `null` is a missing tensor, `undefined` the schema's default. In a tensor's place may be bytes,
 * which it borrows as uint8 `[length]`: what it gives must not be a view of them.
 */
export type Argument =
  | TorchTensor
  | Uint8Array
  | readonly (TorchTensor | null)[]
  | readonly number[]
  | readonly boolean[]
  | number
  | boolean
  | string
  | null
  | undefined;

/** The operators, for the length of one kernel. */
export interface Aten {
  /** Calls an operator that returns one tensor; `aten::` is implied: `'add.Tensor'`, `'pade::forward'`. */
  (operator: string, ...args: Argument[]): TorchTensor;
  /** Calls an operator that returns several tensors (or a list of them). */
  tuple(operator: string, ...args: Argument[]): TorchTensor[];
  /** Calls an operator that returns a number; on a tensor's elements it waits for their values. */
  value(operator: string, ...args: Argument[]): number;
  /** Calls an operator for its effect. */
  run(operator: string, ...args: Argument[]): void;
}

/** The addon's code of a dtype, which is also what ATen's `dtype` arguments take after `scalarType`. */
export function dtypeCode(dtype: TorchDtype): number {
  return TORCH_DTYPES.indexOf(dtype);
}

const SCALAR_TYPES: Record<TorchDtype, number> = {
  uint8: 0,
  int32: 3,
  int64: 4,
  float32: 6,
  float64: 7,
  complex64: 9,
  bool: 11,
  bfloat16: 15,
};

/** c10::ScalarType's number, for `dtype` arguments of operators. */
export function scalarType(dtype: TorchDtype): number {
  return SCALAR_TYPES[dtype];
}

/** The operators of one addon, and the tensors that are alive in the running kernel. */
export class Operators {
  readonly aten: Aten;
  /** Told of every call, while there is one. */
  recording: Recording | undefined;
  readonly #addon: Addon;
  readonly #ids = new Map<string, OperatorId>();
  #made: Handle[] = [];

  constructor(addon: Addon) {
    this.#addon = addon;
    this.aten = Object.assign((operator: string, ...args: Argument[]) => this.#one(operator, args), {
      tuple: (operator: string, ...args: Argument[]) => this.#many(operator, args),
      value: (operator: string, ...args: Argument[]) => {
        this.recording?.refuse(`${operator} gives a number to JavaScript`);
        return this.#call(operator, args) as number;
      },
      run: (operator: string, ...args: Argument[]) => void this.#call(operator, args),
    });
  }

  /** Runs `kernel`, then releases every tensor that it made and `keep` does not name. */
  scope<T>(kernel: (aten: Aten) => T, keep: (result: T) => readonly Handle[]): T {
    const outer = this.#made;
    this.#made = [];
    let kept: readonly Handle[] = [];
    try {
      const result = kernel(this.aten);
      kept = keep(result);
      return result;
    } finally {
      for (const handle of this.#made) if (!kept.includes(handle)) this.#addon.release(handle);
      this.#made = outer;
    }
  }

  /** The addon's number of an operator; `aten::` is implied. */
  idOf(operator: string): OperatorId {
    let id = this.#ids.get(operator);
    if (id === undefined) {
      const qualified = operator.includes('::') ? operator : `aten::${operator}`;
      const [name, overload] = qualified.split('.') as [string, string | undefined];
      id = this.#addon.operator(name, overload ?? '');
      this.#ids.set(operator, id);
    }
    return id;
  }

  #call(operator: string, args: readonly Argument[]): unknown {
    try {
      const result = this.#addon.call(this.idOf(operator), args.map(toNative));
      this.recording?.called(operator, args, handlesIn(result));
      return result;
    } catch (cause) {
      throw failure(cause as Error);
    }
  }

  /** Runs a compiled program; its outputs are the caller's. */
  replayed(program: ProgramId, inputs: readonly Handle[]): TorchTensor[] {
    try {
      return this.#withShapes(this.#addon.replay(program, inputs));
    } catch (cause) {
      throw failure(cause as Error);
    }
  }

  #one(operator: string, args: readonly Argument[]): TorchTensor {
    const handle = this.#call(operator, args) as Handle;
    this.#made.push(handle);
    return { handle, ...this.#described(0) };
  }

  #many(operator: string, args: readonly Argument[]): TorchTensor[] {
    const handles = this.#call(operator, args) as (Handle | null)[];
    for (const handle of handles) if (handle !== null) this.#made.push(handle);
    return this.#withShapes(handles);
  }

  /** The results of the last call, described by `meta`. */
  #withShapes(handles: readonly (Handle | null)[]): TorchTensor[] {
    const { meta } = this.#addon;
    let at = 0;
    return handles.map(handle => {
      if (handle === null) return undefined as never; // a gradient that was not asked for
      if (meta[at] === META_FULL) return { handle, ...this.#asked(handle) };
      const description = this.#described(at);
      at += 2 + description.shape.length;
      return { handle, ...description };
    });
  }

  #asked(handle: Handle): { dtype: TorchDtype; shape: number[] } {
    const [dtype, ...shape] = this.#addon.describe(handle) as [number, ...number[]];
    return { dtype: TORCH_DTYPES[dtype]!, shape };
  }

  #described(at: number): { dtype: TorchDtype; shape: number[] } {
    const { meta } = this.#addon;
    const rank = meta[at + 1]!;
    const shape = new Array<number>(rank);
    for (let i = 0; i < rank; i++) shape[i] = meta[at + 2 + i]!;
    return { dtype: TORCH_DTYPES[meta[at]!]!, shape };
  }
}

/** The tensors that a call gave; an operator's numbers are refused before. */
function handlesIn(result: unknown): Handle[] {
  const results = Array.isArray(result) ? result : [result];
  return results.filter(item => typeof item === 'number') as Handle[];
}

/** tfjs puts some twenty frames of its own between the user's call and an operator; Node keeps ten unless told. */
const STACK_FRAMES = 50;

function failure(cause: Error): EngineError {
  const usual = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_FRAMES;
  try {
    return new EngineError(`torch: ${cause.message}`, { cause });
  } finally {
    Error.stackTraceLimit = usual;
  }
}

function toNative(argument: Argument): unknown {
  if (typeof argument !== 'object' || argument === null) return argument;
  if ('handle' in argument) return argument.handle;
  if (argument instanceof Uint8Array) return argument;
  return (argument as readonly unknown[]).map(item => toNative(item as Argument));
}
