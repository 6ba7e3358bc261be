/** Watches a network's Padé activations from epoch to epoch of a training: what they are given, and what they become. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { ActivationProbe, type ActivationSnapshot, rangeWarning } from '../activations/snapshot.js';
import { OptionsError } from '../errors.js';

/**
 * `'warnings'`: only whether inputs leave the range that the coefficients were fitted on; `'every-epoch'`: snapshots as
 * well; `'none'`: nothing, which saves a pass of 64 images an epoch.
 */
export const OBSERVATIONS = ['none', 'warnings', 'every-epoch'] as const;
export type Observation = (typeof OBSERVATIONS)[number];

/** @throws OptionsError that lists the known words */
export function checkObservation(where: string, observation: Observation | undefined): void {
  if (observation === undefined || OBSERVATIONS.includes(observation)) return;
  throw new OptionsError(
    `${where}: observeActivations must be one of ${OBSERVATIONS.join(', ')}, got '${String(observation)}'`,
  );
}

/** A Padé activation whose inputs have left the range that its coefficients were fitted on. */
export interface RangeWarning {
  readonly layer: string;
  /** What was seen, and what to do. */
  readonly message: string;
}

/** Images that are looked at: thousands of inputs even of a small dense layer. */
const IMAGES = 64;

export class ActivationWatch {
  readonly #observation: Observation;
  readonly #probe: ActivationProbe | undefined;
  /** Layers that may still be warned of. */
  readonly #quiet: Set<string>;
  #snapshots: readonly ActivationSnapshot[] = [];

  /** @param model borrowed */
  constructor(model: LayersModel, observation: Observation) {
    this.#observation = observation;
    this.#probe = observation === 'none' ? undefined : new ActivationProbe(model);
    this.#quiet = new Set(this.#probe?.layers);
  }

  /** Looks at the network as it is now, given a batch of images, which is borrowed. */
  async look(images: tf.Tensor4D): Promise<void> {
    this.#snapshots = [];
    if (!this.#probe || (this.#observation === 'warnings' && this.#quiet.size === 0)) return;
    const few = tf.slice(images, 0, Math.min(IMAGES, images.shape[0]));
    try {
      this.#snapshots = await this.#probe.read(few);
    } finally {
      few.dispose();
    }
  }

  /** What was seen, for an epoch's record. */
  get record(): { activations?: readonly ActivationSnapshot[] } {
    return this.#observation === 'every-epoch' ? { activations: this.#snapshots } : {};
  }

  /** What the latest look gives reason for; of each layer once. */
  warnings(): RangeWarning[] {
    return this.#snapshots.flatMap(snapshot => {
      const message = rangeWarning(snapshot);
      return message && this.#quiet.delete(snapshot.layer) ? [{ layer: snapshot.layer, message }] : [];
    });
  }
}
