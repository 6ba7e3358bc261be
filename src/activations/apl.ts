/** APL: a ReLU with learnable hinges (Agostinelli et al. 2014), one set per layer. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { hinges, MAX_HINGES } from '../ops/hinges.js';
import { checkOptions } from '../options.js';
import { normal, uniform } from '../random.js';
import type { Activation } from './activation.js';
import { ActivationLayer, type ActivationLayerArgs, single } from './activationLayer.js';

const AplOptions = z.strictObject({
  /** Hinges; the authors have 5 for CIFAR-10. */
  segments: z
    .int()
    .min(1)
    .max(MAX_HINGES - 1)
    .default(5),
  /** Of the initial hinges. */
  seed: z.int().min(0).default(0),
});
export type AplOptions = z.input<typeof AplOptions>;

/** max(0, x) + Σ aₛ·max(0, bₛ - x), started from aₛ ~ U(-1/2, 1/2), bₛ ~ N(0, 1/2) as in the authors' code. */
export function apl(options: AplOptions = {}): Activation {
  const { segments, seed } = checkOptions(AplOptions, options, 'apl');
  return {
    kind: `apl ${segments}`,
    config: { name: 'apl', segments, seed },
    layer: name => {
      const draws = () => new Float32Array(segments);
      return new AdaptivePiecewiseLinear({
        name,
        slopes: [...uniform(draws(), { low: -0.5, high: 0.5 }, seed, name, 'slopes')],
        hinges: [...normal(draws(), { mean: 0, deviation: 0.5 }, seed, name, 'hinges')],
      });
    },
  };
}

interface Start {
  readonly slopes: readonly number[];
  readonly hinges: readonly number[];
}

/** Its weights are `slopes` `[segments]` and `hinges` `[segments]`. */
export class AdaptivePiecewiseLinear extends ActivationLayer {
  static readonly className = 'AdaptivePiecewiseLinear';
  readonly #start: Start;
  #slopes: layers.LayerVariable | undefined;
  #hinges: layers.LayerVariable | undefined;

  constructor({ slopes, hinges: positions, ...args }: Start & ActivationLayerArgs) {
    super(args);
    this.#start = { slopes, hinges: positions };
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    this.#slopes = this.weight('slopes', this.#start.slopes);
    this.#hinges = this.weight('hinges', this.#start.hinges);
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const weights = tf.concat([tf.ones([1]), this.#slopes!.read()]);
      const thresholds = tf.concat([tf.zeros([1]), this.#hinges!.read()]);
      const sides = this.#start.slopes.map(() => -1 as const);
      return hinges(single(inputs), tf.zeros([1]), weights, thresholds, [1, ...sides]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { slopes, hinges: positions } = this.#start;
    return { ...super.getConfig(), slopes: [...slopes], hinges: [...positions] };
  }
}

tf.serialization.registerClass(AdaptivePiecewiseLinear as never);
