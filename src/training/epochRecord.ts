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
}
