/** Writing down the operators of one step, and what may differ from one time to the next, so that a program can replay them. */
import type { Variable } from '@tensorflow/tfjs-core';
import type { Addon, Handle, OperatorId, PlannedCall, ProgramPlan } from './addon.js';
import { type Argument, dtypeCode, type TorchTensor } from './aten.js';
import { fused } from './fusion.js';
import { isSame, type OperatorCall, Place } from './operatorCall.js';

/** Where a tensor of a recording comes from. */
type Origin =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'variable'; readonly of: VariableTensor }
  | { readonly kind: 'constant'; readonly handle: Handle; readonly retained: Handle }
  | { readonly kind: 'result' };

/** A variable, and the tensor that it is at one moment. */
export interface VariableTensor {
  readonly variable: Variable;
  readonly tensor: TorchTensor;
}

/** A recording as a program: what `Addon.compile` takes, and which variables its inputs and outputs are. */
export interface RecordedProgram {
  readonly plan: ProgramPlan;
  /** They follow the step's own inputs; each with the tensor that it was. */
  readonly inputVariables: readonly VariableTensor[];
  /** They follow the step's own outputs: variables that the step gave a new tensor. */
  readonly outputVariables: readonly Variable[];
}

export class Recording {
  readonly #addon: Addon;
  readonly #ids = new Map<Handle, number>();
  readonly #origins: Origin[] = [];
  readonly #calls: OperatorCall[] = [];
  readonly #variables: ReadonlyMap<Handle, VariableTensor>;
  readonly #inputs: readonly TorchTensor[];
  #outputs: readonly number[] = [];
  #assigned: readonly { readonly variable: Variable; readonly id: number }[] = [];
  #problem: string | undefined;

  /** @param variables all that there are, as they are before the step */
  constructor(addon: Addon, inputs: readonly TorchTensor[], variables: readonly VariableTensor[]) {
    this.#addon = addon;
    this.#inputs = inputs;
    this.#variables = new Map(variables.map(each => [each.tensor.handle, each]));
    inputs.forEach(({ handle }, index) => {
      this.#ids.set(handle, this.#newId({ kind: 'input', index }));
    });
  }

  /** Why the step cannot be replayed; `undefined` while nothing speaks against it. */
  get problem(): string | undefined {
    return this.#problem;
  }

  refuse(problem: string): void {
    this.#problem ??= problem;
  }

  called(name: string, args: readonly Argument[], results: readonly Handle[]): void {
    const recorded = args.map(argument => this.#recorded(argument));
    const ids = results.map(handle => {
      const id = this.#newId({ kind: 'result' });
      this.#ids.set(handle, id);
      return id;
    });
    this.#calls.push({ name, args: recorded, results: ids });
  }

  /** @param variables those of the constructor, as they are after the step */
  finish(outputs: readonly TorchTensor[], variables: readonly VariableTensor[]): void {
    this.#outputs = outputs.map(({ handle }) => this.#idOf(handle));
    this.#assigned = variables
      .filter(({ variable, tensor }) => this.#variables.get(tensor.handle)?.variable !== variable)
      .map(({ variable, tensor }) => ({ variable, id: this.#idOf(tensor.handle) }));
  }

  /** In what this recording differs from an earlier one of the same step; `undefined` if another replay is as good. */
  difference(earlier: Recording): string | undefined {
    if (this.#calls.length !== earlier.#calls.length)
      return `it called ${earlier.#calls.length} operators, then ${this.#calls.length}`;
    for (const [i, call] of this.#calls.entries()) {
      const other = earlier.#calls[i]!;
      if (call.name !== other.name) return `operator ${i} was ${other.name}, then ${call.name}`;
      if (!isSame(call.args, other.args) || !isSame(call.results, other.results))
        return `the arguments of operator ${i}, ${call.name}, changed`;
    }
    if (!isSame(this.#outputs, earlier.#outputs)) return 'it returned other tensors';
    const assigned = (recording: Recording) =>
      recording.#assigned.flatMap(({ variable, id }) => [variable, id]);
    if (!isSame(assigned(this), assigned(earlier))) return 'it gave other variables a new tensor';
    const changed = this.#origins.findIndex(
      (origin, id) => !this.#isSameOrigin(origin, earlier.#origins[id]!),
    );
    return changed < 0 ? undefined : `a tensor that is no input of it ${this.#usedBy(changed)} changed`;
  }

  /** @param operatorId finds an operator by its name */
  program(operatorId: (name: string) => OperatorId): RecordedProgram {
    const ids = (kind: Origin['kind']) =>
      this.#origins.flatMap((origin, id) => (origin.kind === kind ? [id] : []));
    const order = [...ids('input'), ...ids('variable'), ...ids('constant'), ...ids('result')];
    const slots = new Array<number>(order.length);
    order.forEach((id, slot) => {
      slots[id] = slot;
    });
    const variables = ids('variable').map(id => (this.#origins[id] as { of: VariableTensor }).of);
    const kept = [...this.#outputs, ...this.#assigned.map(({ id }) => id)];
    const outputs = kept.map(id => slots[id]!);
    return {
      plan: {
        inputs: [...this.#inputs, ...variables.map(({ tensor }) => tensor)].map(({ dtype, shape }) => [
          dtypeCode(dtype),
          ...shape,
        ]),
        constants: ids('constant').map(id => (this.#origins[id] as { retained: Handle }).retained),
        calls: withReleases(fused(this.#calls, new Set(kept)), operatorId, slots, new Set(outputs)),
        outputs,
        slots: order.length,
      },
      inputVariables: variables,
      outputVariables: this.#assigned.map(({ variable }) => variable),
    };
  }

  /** Releases the constants that it holds; a compiled program has its own hold on them. */
  dispose(): void {
    for (const origin of this.#origins) if (origin.kind === 'constant') this.#addon.release(origin.retained);
    this.#origins.length = 0;
  }

  #newId(origin: Origin): number {
    return this.#origins.push(origin) - 1;
  }

  #idOf(handle: Handle): number {
    const known = this.#ids.get(handle);
    if (known !== undefined) return known;
    const variable = this.#variables.get(handle);
    const id = this.#newId(
      variable
        ? { kind: 'variable', of: variable }
        : { kind: 'constant', handle, retained: this.#addon.retain(handle) },
    );
    this.#ids.set(handle, id);
    return id;
  }

  #recorded(argument: Argument): unknown {
    if (typeof argument !== 'object' || argument === null) return argument;
    if ('handle' in argument) return new Place(this.#idOf(argument.handle), argument);
    if (argument instanceof Uint8Array) return this.refuse('it takes bytes from JavaScript');
    return (argument as readonly Argument[]).map(item => this.#recorded(item));
  }

  #isSameOrigin(mine: Origin, other: Origin): boolean {
    if (mine.kind === 'variable') return other.kind === 'variable' && mine.of.variable === other.of.variable;
    if (mine.kind !== 'constant' || other.kind !== 'constant') return mine.kind === other.kind;
    if (mine.handle === other.handle) return true;
    return (
      isSame(this.#addon.describe(mine.retained), this.#addon.describe(other.retained)) &&
      Buffer.from(this.#addon.read(mine.retained)).equals(Buffer.from(this.#addon.read(other.retained)))
    );
  }

  #usedBy(id: number): string {
    const uses = (argument: unknown): boolean =>
      argument instanceof Place ? argument.id === id : Array.isArray(argument) && argument.some(uses);
    const user = this.#calls.find(({ args }) => args.some(uses));
    return user ? `(an argument of ${user.name})` : '(a result)';
  }
}

/** The calls in terms of slots; each names the slots that nothing needs after it. */
function withReleases(
  calls: readonly OperatorCall[],
  operatorId: (name: string) => OperatorId,
  slots: readonly number[],
  outputs: ReadonlySet<number>,
): PlannedCall[] {
  const needed = new Set(outputs);
  const planned: PlannedCall[] = [];
  for (const { name, args, results } of calls.toReversed()) {
    const used = new Set<number>();
    const inSlots = (argument: unknown): unknown => {
      if (Array.isArray(argument)) return argument.map(inSlots);
      if (!(argument instanceof Place)) return argument;
      const slot = slots[argument.id]!;
      used.add(slot);
      return slot;
    };
    const call = {
      operator: operatorId(name),
      args: args.map(inSlots),
      results: results.map(id => slots[id]!),
    };
    const released = [...used, ...call.results].filter(slot => !needed.has(slot));
    for (const slot of used) needed.add(slot);
    planned.push({ ...call, released });
  }
  return planned.reverse();
}
