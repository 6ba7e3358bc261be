/** SReLU: three linear pieces with learnable ends (Jin et al., AAAI 2016), four parameters per layer. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { hinges } from '../ops/hinges.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import { ActivationLayer, type ActivationLayerArgs, single } from './activationLayer.js';

const SreluOptions = z.strictObject({
  leftThreshold: z.number().default(0),
  leftSlope: z.number().default(0.2),
  /** The authors take a high quantile of the inputs; with `rightSlope` 1 it does not matter at the start. */
  rightThreshold: z.number().default(1),
  rightSlope: z.number().default(1),
});
export type SreluOptions = z.input<typeof SreluOptions>;
type Start = z.output<typeof SreluOptions>;

/** t_l + a_l(x - t_l) below t_l, x between, t_r + a_r(x - t_r) above t_r. */
export function srelu(options: SreluOptions = {}): Activation {
  const start = checkOptions(SreluOptions, options, 'srelu');
  return {
    kind: 'srelu',
    config: { name: 'srelu', ...start },
    layer: name => new SShapedReLU({ ...start, name }),
  };
}

/** Its weights are `thresholds` `[2]`, right then left, and `slopes` `[2]` in the same order. */
export class SShapedReLU extends ActivationLayer {
  static readonly className = 'SShapedReLU';
  readonly #start: Start;
  #thresholds: layers.LayerVariable | undefined;
  #slopes: layers.LayerVariable | undefined;

  constructor(args: Start & ActivationLayerArgs) {
    const { leftThreshold, leftSlope, rightThreshold, rightSlope, ...rest } = args;
    super(rest);
    this.#start = { leftThreshold, leftSlope, rightThreshold, rightSlope };
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    const { leftThreshold, leftSlope, rightThreshold, rightSlope } = this.#start;
    this.#thresholds = this.weight('thresholds', [rightThreshold, leftThreshold]);
    this.#slopes = this.weight('slopes', [rightSlope, leftSlope]);
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      // Each side adds what its slope differs from the middle's 1 by.
      const weights = tf.mul(tf.sub(this.#slopes!.read(), 1), tf.tensor1d([1, -1]));
      return hinges(single(inputs), tf.ones([1]), weights, this.#thresholds!.read(), [1, -1]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.#start };
  }
}

tf.serialization.registerClass(SShapedReLU as never);
