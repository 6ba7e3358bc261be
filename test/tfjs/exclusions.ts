/** The tests of tfjs-core's suite that the torch engine is not held to, each with its reason. */

export interface Exclusion {
  /** Part of the full names of the tests: `'conv2d torch {} x=[...'`. */
  readonly test: string;
  readonly reason: string;
}

export const EXCLUSIONS: readonly Exclusion[] = [];
