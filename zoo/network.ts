/** A network under construction: the layers of every architecture, with PyTorch's padding, statistics and initial weights. */
import * as layers from '@tensorflow/tfjs-layers';
import type { z } from 'zod';
import { type Activation, activationOf } from '../src/activations/activation.js';
import { OptionsError } from '../src/errors.js';
import { FanInUniform, HeNormal, KeyedNormal } from '../src/initializers.js';
import { BatchNorm } from '../src/layers/batchNorm.js';
import { KeyedDropout } from '../src/layers/dropout.js';
import { PaddedConv2D, PaddedDepthwiseConv2D, PaddedMaxPooling2D } from '../src/layers/padded.js';
import { type ArchitectureOptions, type ArchitectureSizes, setOrigin, type Variant } from './architecture.js';

/** A layer's output while the network is built. */
export type Features = layers.SymbolicTensor;

/** How weights start: as PyTorch's layers do by themselves, or as torchvision's definition of the network says. */
export interface Initialization {
  readonly convolution: 'pytorch' | 'he-fan-in' | 'he-fan-out';
  /** `'pytorch'`, the same with a bias of 0, or normal with deviation 0.01 and a bias of 0. */
  readonly dense: 'pytorch' | 'zero-bias' | 'normal-0.01';
}

export interface NetworkPlan {
  readonly architecture: string;
  readonly sizes: ArchitectureSizes;
  readonly options: z.output<typeof ArchitectureOptions>;
  /** Of architectures that have two. */
  readonly variant?: Variant;
  /** Default: PyTorch's own. */
  readonly initial?: Initialization;
}

export interface Window {
  readonly kernel: number;
  /** Default 1. */
  readonly stride?: number;
  /** Rows and columns added on every side; default 0. */
  readonly pad?: number;
}

export interface Convolution extends Window {
  /** Default `'none'`, as before batch normalisation. */
  readonly bias?: 'none' | 'learned';
}

/** Names of a convolution (or dense layer), its batch normalisation if it has one, and its activation. */
export interface UnitNames {
  readonly conv: string;
  readonly bn?: string;
  readonly act: string;
}

/** Builds a network by `body`, which goes from `net.image` to logits; what was built is disposed when it throws. */
export function network(plan: NetworkPlan, body: (net: Network) => Features): layers.LayersModel {
  const net = new Network(plan);
  try {
    return net.finish(body(net));
  } catch (error) {
    net.dispose();
    throw error;
  }
}

export class Network {
  readonly activation: Activation;
  readonly image: Features;
  readonly #plan: NetworkPlan;
  readonly #built: layers.layers.Layer[] = [];
  readonly #groups = new Set<string>();

  constructor(plan: NetworkPlan) {
    const { options, sizes } = plan;
    this.#plan = plan;
    this.activation = activationOf(options.activation);
    this.image = layers.input({ shape: [...(options.inputShape ?? sizes.inputShape)], name: 'image' });
  }

  /** Filters of one output channel of a layer before an activation: 1, or Maxout's k. */
  get pieces(): number {
    return this.activation.filtersFactor ?? 1;
  }

  get classes(): number {
    return this.#plan.options.classes ?? this.#plan.sizes.classes;
  }

  /** Channels of a group of layers that have as many: `usual` unless the option `width` says otherwise. */
  width(group: string, usual: number): number {
    this.#groups.add(group);
    const { width } = this.#plan.options;
    if (typeof width === 'number') return Math.max(1, Math.round(width * usual));
    return (Object.hasOwn(width, group) ? width[group] : undefined) ?? usual;
  }

  /** A convolution without activation. */
  convolution(x: Features, name: string, filters: number, spec: Convolution): Features {
    const { kernel, stride = 1, bias = 'none' } = spec;
    const fanIn = kernel * kernel * channelsOf(x);
    const args = {
      name,
      filters,
      kernelSize: kernel,
      strides: stride,
      useBias: bias === 'learned',
      kernelInitializer: this.#kernel(name, fanIn, 'dense'),
      biasInitializer: this.#bias(name, fanIn),
    };
    const padding = stockPadding(spec);
    return this.#apply(
      padding
        ? layers.layers.conv2d({ ...args, padding })
        : new PaddedConv2D({ ...args, pad: spec.pad ?? 0 }),
      x,
    );
  }

  /** One filter, or `multiplier` filters, for every channel. */
  depthwise(x: Features, name: string, spec: Window, multiplier = 1): Features {
    const { kernel, stride = 1 } = spec;
    const args = {
      name,
      kernelSize: kernel,
      strides: stride,
      depthMultiplier: multiplier,
      useBias: false,
      depthwiseInitializer: this.#kernel(name, kernel * kernel, 'depthwise'),
    };
    const padding = stockPadding(spec);
    return this.#apply(
      padding
        ? layers.layers.depthwiseConv2d({ ...args, padding })
        : new PaddedDepthwiseConv2D({ ...args, pad: spec.pad ?? 0 }),
      x,
    );
  }

  dense(x: Features, name: string, units: number): Features {
    const { dense } = this.#initial;
    const fanIn = channelsOf(x);
    return this.#apply(
      layers.layers.dense({
        name,
        units,
        kernelInitializer:
          dense === 'normal-0.01'
            ? new KeyedNormal({ deviation: 0.01, ...this.#key(`${name}/kernel`) })
            : new FanInUniform({ fanIn, ...this.#key(`${name}/kernel`) }),
        biasInitializer:
          dense === 'pytorch'
            ? new FanInUniform({ fanIn, ...this.#key(`${name}/bias`) })
            : layers.initializers.zeros(),
      }),
      x,
    );
  }

  batchNorm(x: Features, name: string): Features {
    return this.#apply(new BatchNorm({ name }), x);
  }

  /** An activation at a site with no layer of its own before it (behind an addition or a concatenation). */
  activate(x: Features, name: string): Features {
    return this.pieces > 1 ? x : this.#apply(this.activation.layer(name), x);
  }

  /**
   * Convolution, batch normalisation if it is named, activation. An activation that joins filters (Maxout) stands before
   * the normalisation, behind a convolution with so many times the filters.
   */
  unit(x: Features, names: UnitNames, filters: number, spec: Convolution): Features {
    const y = this.convolution(x, names.conv, this.pieces * filters, spec);
    return this.#normalizedAndActivated(y, names);
  }

  /** The same with a depthwise convolution; Maxout's pieces of a channel see the same input channel. */
  depthwiseUnit(x: Features, names: UnitNames, spec: Window): Features {
    return this.#normalizedAndActivated(this.depthwise(x, names.conv, spec, this.pieces), names);
  }

  /** A dense layer and its activation. */
  denseUnit(x: Features, names: UnitNames, units: number): Features {
    return this.#normalizedAndActivated(this.dense(x, names.conv, this.pieces * units), names);
  }

  #normalizedAndActivated(x: Features, { bn, act }: UnitNames): Features {
    const normalized = (y: Features) => (bn ? this.batchNorm(y, bn) : y);
    const activated = (y: Features) => this.#apply(this.activation.layer(act), y);
    return this.activation.placement === 'before-normalization'
      ? normalized(activated(x))
      : activated(normalized(x));
  }

  maxPool(x: Features, name: string, { kernel, stride = kernel, pad = 0 }: Window): Features {
    const args = { name, poolSize: kernel, strides: stride };
    return this.#apply(
      pad === 0 ? layers.layers.maxPooling2d(args) : new PaddedMaxPooling2D({ ...args, pad }),
      x,
    );
  }

  averagePool(x: Features, name: string, size: number): Features {
    return this.#apply(layers.layers.averagePooling2d({ name, poolSize: size }), x);
  }

  /** The mean over all positions: `[n, c]`. */
  globalAveragePool(x: Features, name: string): Features {
    return this.#apply(layers.layers.globalAveragePooling2d({ name }), x);
  }

  flatten(x: Features, name: string): Features {
    return this.#apply(layers.layers.flatten({ name }), x);
  }

  dropout(x: Features, name: string, rate: number): Features {
    return this.#apply(new KeyedDropout({ name, rate, seed: this.#plan.options.seed }), x);
  }

  add(terms: readonly Features[], name: string): Features {
    return this.#apply(layers.layers.add({ name }), [...terms]);
  }

  /** Along the channels, in the order that is given. */
  concatenate(parts: readonly Features[], name: string): Features {
    return this.#apply(layers.layers.concatenate({ name, axis: -1 }), [...parts]);
  }

  /** @throws OptionsError when the option `width` names a group that the network has not */
  finish(logits: Features): layers.LayersModel {
    const { architecture, options, variant } = this.#plan;
    const { width, seed, name = architecture } = options;
    const unknown = typeof width === 'number' ? [] : Object.keys(width).filter(key => !this.#groups.has(key));
    if (unknown.length > 0) {
      throw new OptionsError(
        `zoo.${architecture}: width has no group ${unknown.join(', ')}, expected one of ${[...this.#groups].join(', ')}`,
      );
    }
    const model = layers.model({ inputs: this.image, outputs: logits, name });
    return setOrigin(model, {
      architecture,
      ...(variant && { variant }),
      width,
      activation: this.activation,
      seed,
    });
  }

  dispose(): void {
    for (const layer of this.#built) layer.dispose();
  }

  get #initial(): Initialization {
    return this.#plan.initial ?? { convolution: 'pytorch', dense: 'pytorch' };
  }

  #key(stream: string): { seed: number; stream: string } {
    return { seed: this.#plan.options.seed, stream };
  }

  #kernel(name: string, fanIn: number, kernel: 'dense' | 'depthwise') {
    const { convolution } = this.#initial;
    const key = this.#key(`${name}/kernel`);
    if (convolution === 'pytorch') return new FanInUniform({ fanIn, ...key });
    return new HeNormal({ fan: convolution === 'he-fan-in' ? 'in' : 'out', kernel, ...key });
  }

  #bias(name: string, fanIn: number) {
    return this.#initial.convolution === 'pytorch'
      ? new FanInUniform({ fanIn, ...this.#key(`${name}/bias`) })
      : layers.initializers.zeros();
  }

  #apply(layer: layers.layers.Layer, x: Features | Features[]): Features {
    const y = layer.apply(x) as Features;
    this.#built.push(layer);
    if (y.shape.slice(1).some(size => size !== null && size < 1)) {
      const [, ...given] = this.image.shape;
      throw new OptionsError(
        `zoo.${this.#plan.architecture}: nothing is left of images [${given.join(', ')}] behind '${layer.name}'; give a larger inputShape, as [${this.#plan.sizes.inputShape.join(', ')}]`,
      );
    }
    return y;
  }
}

function channelsOf(x: Features): number {
  return x.shape.at(-1)!;
}

/** tfjs's own word for a padding, where it has one that is the same on every side. */
function stockPadding({ kernel, stride = 1, pad = 0 }: Window): 'same' | 'valid' | undefined {
  if (pad === 0) return 'valid';
  return stride === 1 && 2 * pad === kernel - 1 ? 'same' : undefined;
}
