/** What a run was and how it went, as plain JSON: the only thing that the report and the figures are drawn from. */

import type { Explanation } from '../../pruning/explain.js';
import type { Histogram } from '../activations/histogram.js';
import type { RationalForm } from '../activations/rational.js';
import type { EpochRecord } from '../training/epochRecord.js';

export type { EpochRecord, Histogram };

/** One activation of the network: what it started as, what it became, and what it sees. */
export interface ActivationRecord {
  readonly layer: string;
  /** For people: `'pau [5/4]'`, `'relu'`. */
  readonly kind: string;
  /** The curve over the range of its inputs, sampled: `[x, f(x)]` after training. */
  readonly learned: readonly (readonly [number, number])[];
  /** The same at the start; empty for activations without parameters. */
  readonly initial: readonly (readonly [number, number])[];
  /** Half-width of the band that noise in the coefficients makes around `learned`, per sample; absent without noise. */
  readonly band?: readonly number[];
  /** How often each input value reached it, the outermost left out. */
  readonly inputs: Histogram;
  /** Coefficients of a Padé activation. */
  readonly rational?: {
    readonly form: RationalForm;
    readonly q: number;
    readonly numerator: readonly number[];
    readonly denominator: readonly number[];
  };
}

/** One network of the run: the unpruned one (`percent` 0) or a pruned one. */
export interface StepRecord {
  readonly percent: number;
  readonly parameters: number;
  readonly activationParameters: number;
  /** Multiply-accumulates of convolutions and dense layers for one input. */
  readonly macs: number;
  /** Filters that each convolution has now and had originally. */
  readonly filters: readonly { readonly layer: string; readonly now: number; readonly original: number }[];
  readonly epochs: readonly EpochRecord[];
  readonly testAccuracy: number;
  readonly testLoss: number;
  readonly seconds: number;
  readonly activations: readonly ActivationRecord[];
  /** Folder of its checkpoint, relative to the report; absent when it was not kept. */
  readonly checkpoint?: string;
}

export interface RunRecord {
  readonly title: string;
  /** ISO 8601. */
  readonly created: string;
  /** `'torch 2.13.0, CPU, 2 threads'` */
  readonly engine: string;
  readonly architecture: string;
  readonly dataset: {
    readonly name: string;
    readonly source: string;
    readonly train: number;
    readonly test: number;
  };
  /** The training recipe, as it was used. */
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** First the unpruned network, then every pruning step. */
  readonly steps: readonly StepRecord[];
  /** Index into `steps` of the published network, if one was. */
  readonly best?: number;
  /** Which convolutions lose filters together. */
  readonly coupling?: Explanation;
}
