/** An operator call as a recording holds it. */
import type { TorchTensor } from './aten.js';

/** Stands for a tensor among the arguments; ids are given in the order of first appearance. */
export class Place {
  constructor(
    readonly id: number,
    readonly tensor: Pick<TorchTensor, 'shape' | 'dtype'>,
  ) {}
}

export interface OperatorCall {
  /** As kernels write it: `'add.Tensor'`, `'pade::forward'`. */
  readonly name: string;
  /** Plain values, places, and lists of them. */
  readonly args: readonly unknown[];
  /** The ids of its tensor results. */
  readonly results: readonly number[];
}

/** Whether two arguments (or lists of them) are the same: equal values, tensors of the same id. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Place) return b instanceof Place && a.id === b.id;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => isSame(item, b[i]));
  return Object.is(a, b);
}
