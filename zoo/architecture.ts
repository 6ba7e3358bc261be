/** What every architecture of the zoo declares, and the record that a network keeps of where it came from. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import type { Activation, ActivationChoice } from '../src/activations/activation.js';

/** `[height, width, channels]` */
export type ImageShape = readonly [height: number, width: number, channels: number];

/** Options that every architecture takes. */
export const ArchitectureOptions = z.strictObject({
  /** What stands at every activation site: `pau()`, `'relu'`, ... */
  activation: z
    .custom<ActivationChoice>(value => typeof value === 'string' || typeof value === 'object')
    .default('pau'),
  /** Default: the data set's that the architecture was made for, 10 or 1000. */
  classes: z.int().min(1).optional(),
  /** `[height, width, channels]` of the images; default: the architecture's. */
  inputShape: z
    .tuple([z.int().min(1), z.int().min(1), z.int().min(1)])
    .readonly()
    .optional(),
  /** Filters: a multiplier of all, or a number for each group that is not to have its usual one. */
  width: z.union([z.number().gt(0), z.record(z.string(), z.int().min(1))]).default(1),
  /** Fixes the initial weights, layer by layer. */
  seed: z.int().min(0).default(0),
  name: z.string().optional(),
});
export type ArchitectureOptions = z.input<typeof ArchitectureOptions>;

/** Options of architectures that exist for small images and, with another stem, for ImageNet's. */
export const VariantOptions = ArchitectureOptions.extend({
  /** `'cifar'`: 32x32 images, kuangliu's definition, the paper's counts; `'imagenet'`: 224x224, torchvision's. */
  variant: z.enum(['cifar', 'imagenet']).default('cifar'),
});
export type VariantOptions = z.input<typeof VariantOptions>;
export type Variant = z.output<typeof VariantOptions>['variant'];
export type Width = z.output<typeof ArchitectureOptions>['width'];

/** Sizes of a network as it is without options. */
export interface ArchitectureSizes {
  readonly inputShape: ImageShape;
  readonly classes: number;
  /** Trainable parameters without the activations'. */
  readonly parameters: number;
  /** Multiply-accumulates of convolutions and dense layers for one input. */
  readonly macs: number;
  readonly activationSites: number;
  /** What stands at the sites in the original definition, for weights that were trained with it; default `'relu'`. */
  readonly originalActivation?: string;
}

export interface ArchitectureDescription extends ArchitectureSizes {
  readonly name: string;
  /** Where its layers are listed. */
  readonly paper: string;
  /** Sizes of `{ variant: 'imagenet' }`, where there is one. */
  readonly imagenet?: ArchitectureSizes;
}

/** Where a network came from: the architecture, what was asked of it, and the activation that stands in it. */
export interface Origin {
  readonly architecture: string;
  /** Of architectures that have two. */
  readonly variant?: Variant;
  /** As the option `width`; missing where filters were removed since. */
  readonly width?: Width;
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
