/** SLAF: a learnable polynomial in x (Goyal et al. 2019), one set of coefficients per layer. It may well diverge. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { MAX_DEGREE, pade } from '../ops/pade.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import { ActivationLayer, type ActivationLayerArgs, single } from './activationLayer.js';
import { fitPade } from './fit.js';
import { functionByName } from './functions.js';

const SlafOptions = z.strictObject({
  degree: z.int().min(1).max(MAX_DEGREE).default(5),
  /** The function that the polynomial is fitted to on [-3, 3]; the source fixes none. */
  init: z.string().default('relu'),
});
export type SlafOptions = z.input<typeof SlafOptions>;

/** a₀ + a₁x + ... + a_degree·x^degree */
export function slaf(options: SlafOptions = {}): Activation {
  const { degree, init } = checkOptions(SlafOptions, options, 'slaf');
  let coefficients: readonly number[] | undefined;
  return {
    kind: `slaf ${degree}`,
    config: { name: 'slaf', degree, init },
    layer: name => {
      coefficients ??= fitPade(functionByName(init), { order: [degree, 0] }).numerator;
      return new Polynomial({ coefficients, name });
    },
  };
}

/** Its weight is `coefficients` `[degree + 1]`, lowest degree first. */
export class Polynomial extends ActivationLayer {
  static readonly className = 'Polynomial';
  readonly #start: readonly number[];
  #coefficients: layers.LayerVariable | undefined;

  constructor({ coefficients, ...args }: { coefficients: readonly number[] } & ActivationLayerArgs) {
    super(args);
    this.#start = coefficients;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    this.#coefficients = this.weight('coefficients', this.#start);
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => pade(single(inputs), this.#coefficients!.read(), tf.zeros([0])));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), coefficients: [...this.#start] };
  }
}

tf.serialization.registerClass(Polynomial as never);
