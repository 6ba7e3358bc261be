/** Watches a network's Padé activations from epoch to epoch of a training: what they are given, and what they become. */
import type * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { ActivationProbe, type ActivationSnapshot, rangeWarning } from '../activations/snapshot.js';

/**
 * `'warnings'`: only whether inputs leave the range that the coefficients were fitted on; `'every-epoch'`: snapshots as
 * well; `'none'`: nothing, which saves a pass of 64 images an epoch.
 */
export const ACTIVATION_HISTORIES = ['none', 'warnings', 'every-epoch'] as const;
export type ActivationHistory = (typeof ACTIVATION_HISTORIES)[number];

/** A Padé activation whose inputs have left the range that its coefficients were fitted on. */
export interface RangeWarning {
  readonly layer: string;
  /** What was seen, and what to do. */
  readonly message: string;
}

/** Test images that are looked at: thousands of inputs even of a small dense layer. */
const IMAGES = 64;

export class ActivationWatch {
  readonly #history: ActivationHistory;
  readonly #data: Dataset;
  readonly #probe: ActivationProbe;
  #images: tf.Tensor | undefined;
  /** Layers that may still be warned of. */
  readonly #quiet: Set<string>;
  #snapshots: readonly ActivationSnapshot[] = [];

  /** @param model borrowed, and looked at until `dispose` */
  constructor(model: LayersModel, data: Dataset, history: ActivationHistory) {
    this.#history = history;
    this.#data = data;
    this.#probe = new ActivationProbe(model);
    this.#quiet = new Set(this.#probe.layers);
  }

  /** Looks at the network as it is now. */
  async look(): Promise<void> {
    const isNeeded = {
      none: false,
      warnings: this.#quiet.size > 0,
      'every-epoch': this.#probe.layers.length > 0,
    };
    this.#snapshots = [];
    if (!isNeeded[this.#history]) return;
    this.#images ??= await firstImages(this.#data);
    if (this.#images) this.#snapshots = await this.#probe.read(this.#images);
  }

  /** What was seen, for an epoch's record. */
  get record(): { activations?: readonly ActivationSnapshot[] } {
    return this.#history === 'every-epoch' ? { activations: this.#snapshots } : {};
  }

  /** What the latest look gives reason for; of each layer once. */
  warnings(): RangeWarning[] {
    return this.#snapshots.flatMap(snapshot => {
      const message = rangeWarning(snapshot);
      return message && this.#quiet.delete(snapshot.layer) ? [{ layer: snapshot.layer, message }] : [];
    });
  }

  dispose(): void {
    this.#images?.dispose();
  }
}

async function firstImages(data: Dataset): Promise<tf.Tensor | undefined> {
  for await (const { images, labels } of data.test({ batchSize: IMAGES })) {
    labels.dispose();
    return images;
  }
  return undefined;
}
