/** An operator call as a recording holds it. */

/** Stands for a tensor among the arguments; ids are given in the order of first appearance. */
export class Place {
  constructor(
    readonly id: number,
    /** Its number of axes. */
    readonly rank: number,
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
