/** `pau()`: the Padé Activation Unit as an activation factory, and the layer that it makes. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { OptionsError } from '../errors.js';
import { Given } from '../initializers.js';
import { MAX_DEGREE, pade } from '../ops/pade.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import { INITIAL_COEFFICIENTS } from './coefficients.js';
import { fitRational } from './fit.js';
import { functionByName } from './functions.js';
import { RATIONAL_FORMS, type Rational } from './rational.js';

const Coefficients = z.array(z.number()).max(MAX_DEGREE + 1);

const PauOptions = z.strictObject({
  /** Degrees of numerator and denominator; the paper's is [5, 4]. */
  order: z
    .tuple([z.int().min(1).max(MAX_DEGREE), z.int().min(1).max(MAX_DEGREE)])
    .readonly()
    .default([5, 4]),
  /** What it starts as: a function by name (`'lrelu:0.01'`, the paper's) or coefficients. */
  init: z
    .union([
      z.string(),
      z.strictObject({ numerator: Coefficients.readonly(), denominator: Coefficients.readonly() }),
    ])
    .default('lrelu:0.01'),
  form: z.enum(RATIONAL_FORMS).default('absolute-sum'),
  /** Lower bound of Q in the safe forms. */
  q: z.number().gt(0).lte(1).default(1),
});
export type PauOptions = z.input<typeof PauOptions>;

/**
 * A Padé Activation Unit: P(x)/Q(x) with m + n + 1 learnable coefficients, one set per layer (Molina et al., ICLR 2020).
 *
 * @throws OptionsError when an option is unknown or out of range, or `init` does not fit `order`
 */
export function pau(options: PauOptions = {}): Activation {
  const { order, init, form, q } = checkOptions(PauOptions, options, 'pau');
  let initial: Rational | undefined; // fitted when first needed: unusual orders take a second
  const config = { name: 'pau', order, init, form, q };
  return {
    kind: `pau [${order.join('/')}]`,
    config,
    layer: name => {
      initial ??= initialRational({ order, init, form, q });
      return new PadeLayer({ ...initial, name });
    },
  };
}

function initialRational({ order, init, form, q }: z.output<typeof PauOptions>): Rational {
  const [m, n] = order;
  if (typeof init === 'object') {
    const { numerator, denominator } = init;
    if (numerator.length === m + 1 && denominator.length === n) return { numerator, denominator, form, q };
    throw new OptionsError(
      `pau: order [${m}, ${n}] needs ${m + 1} numerator and ${n} denominator coefficients, got ${numerator.length} and ${denominator.length}`,
    );
  }
  const known = m === 5 && n === 4 && q === 1 ? INITIAL_COEFFICIENTS[init]?.[form] : undefined;
  if (known) return { ...known, form, q };
  const { numerator, denominator } = fitRational(functionByName(init), { order: [m, n], form, q });
  return { numerator, denominator, form, q };
}

export interface PadeLayerArgs extends Rational {
  readonly name?: string;
  readonly trainable?: boolean;
}

/** The layer of a Padé activation; its weights are `numerator` `[m + 1]` and `denominator` `[n]`. */
export class PadeLayer extends layers.layers.Layer {
  static readonly className = 'Pade';
  /** The coefficients that it starts with, its form and its bound. */
  readonly initial: Rational;
  #numerator: layers.LayerVariable | undefined;
  #denominator: layers.LayerVariable | undefined;

  constructor({ numerator, denominator, form, q, ...args }: PadeLayerArgs) {
    super(args);
    this.initial = { numerator, denominator, form, q };
    this.supportsMasking = true;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    const { numerator, denominator } = this.initial;
    this.#numerator = this.addWeight(
      'numerator',
      [numerator.length],
      'float32',
      new Given({ values: numerator }),
    );
    this.#denominator = this.addWeight(
      'denominator',
      [denominator.length],
      'float32',
      new Given({ values: denominator }),
    );
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    const { form, q } = this.initial;
    return tf.tidy(() => pade(x, this.#numerator!.read(), this.#denominator!.read(), { form, q }));
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    return inputShape;
  }

  /** The coefficients as they are now. */
  rational(): Rational {
    if (!this.#numerator || !this.#denominator) return this.initial;
    const values = (weight: layers.LayerVariable) => Array.from(weight.read().dataSync());
    return { ...this.initial, numerator: values(this.#numerator), denominator: values(this.#denominator) };
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { numerator, denominator, form, q } = this.initial;
    return { ...super.getConfig(), numerator: [...numerator], denominator: [...denominator], form, q };
  }
}

tf.serialization.registerClass(PadeLayer);
