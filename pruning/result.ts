/** What `prune` tells: its steps, its events while it works, and its result. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { EpochRecord } from '../src/training/epochRecord.js';
import type { Metrics } from '../src/training/provenance.js';
import type { TrainEvent } from '../src/training/train.js';
import type { Ablation } from './options.js';
import type { PlannedStep } from './plan.js';

export interface PruneStep {
  readonly percent: number;
  /** A real, smaller network; the caller disposes it. */
  readonly model: LayersModel;
  /** All trainable parameters, the activations' included. */
  readonly parameters: number;
  readonly activationParameters: number;
  readonly macs: number;
  /** Convolution's name -> kept filters, as indices into its original width. */
  readonly kept: Readonly<Record<string, readonly number[]>>;
  /** Absent with `train: false`. */
  readonly metrics?: Metrics;
  readonly epochs: readonly EpochRecord[];
  readonly seconds: number;
}

export interface PruneResult {
  readonly steps: readonly PruneStep[];
  /** The step with the best test accuracy, the smallest among equals; without training the last one. */
  readonly best: PruneStep;
  /** The controls that were asked for, a step for each of `steps`. */
  readonly ablations: Readonly<Partial<Record<Ablation, readonly PruneStep[]>>>;
}

export type PruneEvent =
  /** Before anything is trained: what every step will leave. Empty with scope `'global'`, where scores decide on widths. */
  | { readonly type: 'plan'; readonly steps: readonly PlannedStep[] }
  | ({ readonly type: 'cut'; readonly ablation?: Ablation } & PlannedStep)
  /** `percent` 0 is the unpruned network, trained first if it never was. */
  | {
      readonly type: 'train';
      readonly percent: number;
      readonly ablation?: Ablation;
      readonly event: TrainEvent;
    }
  | { readonly type: 'step'; readonly step: PruneStep; readonly ablation?: Ablation }
  /** A step that an earlier process finished. */
  | { readonly type: 'resumed'; readonly percent: number; readonly ablation?: Ablation };
