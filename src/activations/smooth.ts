/** The smooth baselines: ELU, CELU and Swish. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import * as ops from '../ops/smoothUnits.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import { ActivationLayer, type ActivationLayerArgs, single } from './activationLayer.js';

/** x for x > 0, else exp(x) - 1 (Clevert et al. 2016, α = 1). */
export function elu(): Activation {
  return { kind: 'elu', config: { name: 'elu' }, layer: name => layers.layers.elu({ name }) };
}

const CeluOptions = z.strictObject({ alpha: z.number().positive().default(1) });

/** x for x > 0, else α(exp(x/α) - 1): once differentiable at 0 for every α (Barron 2017). */
export function celu(options: z.input<typeof CeluOptions> = {}): Activation {
  const { alpha } = checkOptions(CeluOptions, options, 'celu');
  return { kind: 'celu', config: { name: 'celu', alpha }, layer: name => new ContinuousELU({ alpha, name }) };
}

export class ContinuousELU extends ActivationLayer {
  static readonly className = 'ContinuousELU';
  readonly #alpha: number;

  constructor({ alpha, ...args }: { alpha: number } & ActivationLayerArgs) {
    super(args);
    this.#alpha = alpha;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return ops.exponentialUnit(single(inputs), { alpha: this.#alpha, rate: 1 / this.#alpha });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), alpha: this.#alpha };
  }
}

const SwishOptions = z.strictObject({ beta: z.number().positive().default(1) });

/** x·σ(βx) (Ramachandran et al. 2017; the paper's has β = 1). */
export function swish(options: z.input<typeof SwishOptions> = {}): Activation {
  const { beta } = checkOptions(SwishOptions, options, 'swish');
  return { kind: 'swish', config: { name: 'swish', beta }, layer: name => new Swish({ beta, name }) };
}

export class Swish extends ActivationLayer {
  static readonly className = 'Swish';
  readonly #beta: number;

  constructor({ beta, ...args }: { beta: number } & ActivationLayerArgs) {
    super(args);
    this.#beta = beta;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return ops.swish(single(inputs), this.#beta);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), beta: this.#beta };
  }
}

tf.serialization.registerClass(ContinuousELU as never);
tf.serialization.registerClass(Swish as never);
