/** The rectifiers without learnable parts (ReLU, ReLU6, LeakyReLU, RReLU), and PReLU with one. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { hinges } from '../ops/hinges.js';
import { randomSlopes, type SlopeRange } from '../ops/randomSlopes.js';
import '../ops/reluGradients.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import {
  ActivationLayer,
  type ActivationLayerArgs,
  isTraining,
  type NoiseCounter,
  single,
} from './activationLayer.js';

/** max(0, x) */
export function relu(): Activation {
  return { kind: 'relu', config: { name: 'relu' }, layer: name => layers.layers.reLU({ name }) };
}

/** min(max(0, x), 6) (Krizhevsky 2010) */
export function relu6(): Activation {
  return {
    kind: 'relu6',
    config: { name: 'relu6' },
    layer: name => new ReLU6({ name }),
  };
}

/** tfjs's own layers compose it of two operators. */
export class ReLU6 extends ActivationLayer {
  static readonly className = 'ReLU6';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.relu6(single(inputs));
  }
}

const LreluOptions = z.strictObject({ slope: z.number().default(0.01) });

/** max(0, x) + slope·min(0, x); the paper's LReLU has slope 0.01. */
export function lrelu(options: z.input<typeof LreluOptions> = {}): Activation {
  const { slope } = checkOptions(LreluOptions, options, 'lrelu');
  return {
    kind: `lrelu ${slope}`,
    config: { name: 'lrelu', slope },
    layer: name => layers.layers.leakyReLU({ alpha: slope, name }),
  };
}

const RreluOptions = z.strictObject({
  lower: z.number().default(1 / 8),
  upper: z.number().default(1 / 3),
  /** Of the draws. */
  seed: z.int().min(0).default(0),
});
export type RreluOptions = z.input<typeof RreluOptions>;

/**
 * Randomised LeakyReLU: in training each negative input's slope is drawn from U(lower, upper), at inference it is their
 * mean (Xu et al. 2015).
 */
export function rrelu(options: RreluOptions = {}): Activation {
  const settings = checkOptions(RreluOptions, options, 'rrelu');
  return {
    kind: 'rrelu',
    config: { name: 'rrelu', ...settings },
    layer: name => new RandomReLU({ ...settings, name }),
  };
}

export class RandomReLU extends ActivationLayer {
  static readonly className = 'RandomReLU';
  readonly #range: SlopeRange;
  readonly #seed: number;
  #counter: NoiseCounter | undefined;

  constructor({ lower, upper, seed, ...args }: SlopeRange & { seed: number } & ActivationLayerArgs) {
    super(args);
    this.#range = { lower, upper };
    this.#seed = seed;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    this.#counter = this.noiseCounter(this.#seed);
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs?: { readonly training?: unknown }): tf.Tensor {
    const { lower, upper } = this.#range;
    return tf.tidy(() =>
      isTraining(kwargs)
        ? randomSlopes(single(inputs), this.#counter!.next(), this.#range)
        : tf.leakyRelu(single(inputs), (lower + upper) / 2),
    );
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.#range, seed: this.#seed };
  }
}

const PreluOptions = z.strictObject({ slope: z.number().default(0.25) });

/** max(0, x) + slope·min(0, x) with a learnable slope, one per layer (He et al. 2015; the paper's A.3.1). */
export function prelu(options: z.input<typeof PreluOptions> = {}): Activation {
  const { slope } = checkOptions(PreluOptions, options, 'prelu');
  return {
    kind: 'prelu',
    config: { name: 'prelu', slope },
    layer: name => new ParametricReLU({ slope, name }),
  };
}

/** Its weight is `slope` `[1]`. */
export class ParametricReLU extends ActivationLayer {
  static readonly className = 'ParametricReLU';
  readonly #start: number;
  #slope: layers.LayerVariable | undefined;

  constructor({ slope, ...args }: { slope: number } & ActivationLayerArgs) {
    super(args);
    this.#start = slope;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    this.#slope = this.weight('slope', [this.#start]);
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const weights = tf.concat([tf.ones([1]), tf.neg(this.#slope!.read())]);
      return hinges(single(inputs), tf.zeros([1]), weights, tf.zeros([2]), [1, -1]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), slope: this.#start };
  }
}

tf.serialization.registerClass(ReLU6 as never);
tf.serialization.registerClass(RandomReLU as never);
tf.serialization.registerClass(ParametricReLU as never);
