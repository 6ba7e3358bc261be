import type { ActivationSnapshot } from '../activations/snapshot.js';

/** One epoch of training, as measured at its end. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean cross-entropy over the epoch's batches, nats. */
  readonly trainLoss: number;
  /** A fraction in [0, 1]; so are all accuracies. */
  readonly trainAccuracy: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  readonly learningRate: number;
  readonly seconds: number;
  /** At its end, a snapshot for each Padé activation, where `observeActivations: 'every-epoch'` asked for it. */
  readonly activations?: readonly ActivationSnapshot[];
}
