/** What every architecture of the zoo declares, and the record that a network keeps of where it came from. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import type { Activation, ActivationChoice } from '../src/activations/activation.js';

/** Options that every architecture takes. */
export const ArchitectureOptions = z.strictObject({
  /** What stands at every activation site: `pau()`, `'relu'`, ... */
  activation: z
    .custom<ActivationChoice>(value => typeof value === 'string' || typeof value === 'object')
    .default('pau'),
  classes: z.int().min(1).default(10),
  /** Fixes the initial weights, layer by layer. */
  seed: z.int().min(0).default(0),
  name: z.string().optional(),
});
export type ArchitectureOptions = z.input<typeof ArchitectureOptions>;

export interface ArchitectureDescription {
  readonly name: string;
  /** Where its layers are listed. */
  readonly paper: string;
  /** `[height, width, channels]` */
  readonly inputShape: readonly [number, number, number];
  /** Trainable parameters without the activations'. */
  readonly parameters: number;
  /** Multiply-accumulates of convolutions and dense layers for one input. */
  readonly macs: number;
  readonly activationSites: number;
}

/** Where a network came from: the architecture and the activation that stands in it. */
export interface Origin {
  readonly architecture: string;
  readonly activation: Activation;
  readonly seed: number;
}

const origins = new WeakMap<LayersModel, Origin>();

/** Remembers where `model` came from. */
export function setOrigin<Model extends LayersModel>(model: Model, origin: Origin): Model {
  origins.set(model, origin);
  return model;
}

/** Where a network came from; `undefined` for one that was not made by the zoo, pruned from it or loaded. */
export function originOf(model: LayersModel): Origin | undefined {
  return origins.get(model);
}
