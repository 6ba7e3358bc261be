/** What is kept of each epoch of a training. */
import type { ActivationSnapshot } from '../activations/snapshot.js';

/** Measured at the epoch's end. */
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
  /** At its end, a snapshot for each Padé activation, where `activationHistory: 'every-epoch'` asked for it. */
  readonly activations?: readonly ActivationSnapshot[];
}
