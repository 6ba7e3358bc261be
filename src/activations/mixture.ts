/** Mixture of identity and ReLU with trained weights (Manessi & Rozza 2018), one pair per layer. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { hinges } from '../ops/hinges.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import { ActivationLayer, type ActivationLayerArgs, single } from './activationLayer.js';

const MixtureOptions = z.strictObject({
  /** `'convex'`: weights are a softmax, positive with sum 1; `'linear'`: any two weights. Both start from 1/2 and 1/2. */
  combination: z.enum(['convex', 'linear']).default('convex'),
});
export type MixtureOptions = z.input<typeof MixtureOptions>;
type Combination = z.output<typeof MixtureOptions>['combination'];

/** w₁·x + w₂·max(0, x) */
export function mixture(options: MixtureOptions = {}): Activation {
  const { combination } = checkOptions(MixtureOptions, options, 'mixture');
  return {
    kind: 'mixture',
    config: { name: 'mixture', combination },
    layer: name => new Mixture({ combination, name }),
  };
}

/** Its weight is `mixture` `[2]`: identity's and ReLU's part, or their logits. */
export class Mixture extends ActivationLayer {
  static readonly className = 'Mixture';
  readonly #combination: Combination;
  #parts: layers.LayerVariable | undefined;

  constructor({ combination, ...args }: { combination: Combination } & ActivationLayerArgs) {
    super(args);
    this.#combination = combination;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    this.#parts = this.weight('mixture', this.#combination === 'convex' ? [0, 0] : [0.5, 0.5]);
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const given = this.#parts!.read();
      const [identity, rectified] = tf.split(this.#combination === 'convex' ? tf.softmax(given) : given, 2);
      return hinges(single(inputs), identity!, rectified!, tf.zeros([1]), [1]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), combination: this.#combination };
  }
}

tf.serialization.registerClass(Mixture as never);
