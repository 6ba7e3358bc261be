/** What a trained network remembers: how and on what it was trained, and how well it does. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import type { EpochRecord } from './epochRecord.js';
import type { Recipe } from './recipe.js';

/** Accuracy is a fraction, loss the mean cross-entropy in nats. */
export interface Metrics {
  readonly testAccuracy: number;
  readonly testLoss: number;
}

/** One pruning step that a network went through. */
export interface PruningRecord {
  readonly percent: number;
  readonly criterion: string;
  /** How the scores of coupled convolutions made one: `'sum'`, `'mean'`, `'max'`. */
  readonly aggregation?: string;
  /** `'layer'`, or `'global'` over all convolutions. */
  readonly scope?: string;
  /** What `percent` counts from: `'original'` widths, or what was `'remaining'`. */
  readonly percentOf?: string;
  readonly restart: string;
  /** Convolution's name -> filters before any pruning. */
  readonly widths: Readonly<Record<string, number>>;
  /** Convolution's name -> kept filters, as indices into its original width. */
  readonly kept: Readonly<Record<string, readonly number[]>>;
}

/** A network as it was before any pruning. */
export interface Unpruned {
  readonly name: string;
  readonly parameters: number;
  /** Of those, the ones of activations; missing where a checkpoint does not tell. */
  readonly activationParameters?: number;
  readonly macs: number;
  /** Missing where it was not trained. */
  readonly metrics?: Metrics;
}

export interface Provenance {
  readonly recipe?: Recipe;
  readonly data?: Dataset;
  readonly metrics?: Metrics;
  readonly epochs?: readonly EpochRecord[];
  readonly pruning?: readonly PruningRecord[];
  /** Where filters were removed: what from. */
  readonly unpruned?: Unpruned;
  /** Smallest and largest input of each activation in training, of a network that was loaded; else they are in `epochs`. */
  readonly trainingRanges?: readonly {
    readonly layer: string;
    readonly min: number;
    readonly max: number;
  }[];
}

const records = new WeakMap<LayersModel, Provenance>();

export function provenanceOf(model: LayersModel): Provenance {
  return records.get(model) ?? {};
}

/** Adds to what `model` remembers. */
export function remember(model: LayersModel, provenance: Provenance): void {
  records.set(model, { ...provenanceOf(model), ...provenance });
}
