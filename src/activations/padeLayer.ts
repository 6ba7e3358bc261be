/** The layer of a Padé activation: one set of coefficients, or one for each group of channels, with noise if wanted. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { OptionsError } from '../errors.js';
import { pade } from '../ops/pade.js';
import {
  ActivationLayer,
  type ActivationLayerArgs,
  isTraining,
  type NoiseCounter,
  single,
} from './activationLayer.js';
import type { Rational } from './rational.js';

/** Which elements share a set of coefficients: all, those of a channel, or those of neighbouring channels. */
export type Sharing = 'layer' | 'channel' | { readonly groups: number };

export interface PadeLayerArgs extends Rational, ActivationLayerArgs {
  readonly shared?: Sharing;
  /** In training every coefficient is multiplied with U(1 - noise, 1 + noise), anew for every element. */
  readonly noise?: number;
  /** Of the noise. */
  readonly seed?: number;
  /** The inputs that the initial coefficients were fitted on; beyond it they are no longer the function. */
  readonly range?: readonly [number, number];
}

/** Its weights are `numerator` `[m + 1]` and `denominator` `[n]`, or `[groups, m + 1]` and `[groups, n]`. */
export class PadeLayer extends ActivationLayer {
  static readonly className = 'Pade';
  /** The coefficients that it starts with, its form and its bound. */
  readonly initial: Rational;
  readonly shared: Sharing;
  readonly noise: number;
  readonly range: readonly [number, number] | undefined;
  readonly #seed: number;
  #numerator: layers.LayerVariable | undefined;
  #denominator: layers.LayerVariable | undefined;
  #counter: NoiseCounter | undefined;

  constructor(args: PadeLayerArgs) {
    const { numerator, denominator, form, q, shared = 'layer', noise = 0, seed = 0, range, ...rest } = args;
    super(rest);
    this.initial = { numerator, denominator, form, q };
    this.shared = shared;
    this.noise = noise;
    this.range = range;
    this.#seed = seed;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    const groups = this.#groups((inputShape as layers.Shape).at(-1) ?? undefined);
    const { numerator, denominator } = this.initial;
    const sets = (values: readonly number[]) => Array.from({ length: groups ?? 1 }, () => values).flat();
    const shape = (values: readonly number[]) => [...(groups === undefined ? [] : [groups]), values.length];
    this.#numerator = this.weight('numerator', sets(numerator), shape(numerator));
    this.#denominator = this.weight('denominator', sets(denominator), shape(denominator));
    if (this.noise > 0) this.#counter = this.noiseCounter(this.#seed);
    super.build(inputShape);
  }

  #groups(channels: number | undefined): number | undefined {
    if (this.shared === 'layer') return undefined;
    const groups = this.shared === 'channel' ? channels : this.shared.groups;
    if (channels !== undefined && groups !== undefined && groups <= channels) return groups;
    throw new OptionsError(
      `pau: ${this.name} has ${channels ?? 'an unknown number of'} channels, expected at least ${groups ?? 1}, one for each set of coefficients`,
    );
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs?: { readonly training?: unknown }): tf.Tensor {
    const { form, q } = this.initial;
    return tf.tidy(() => {
      const noise =
        this.#counter && isTraining(kwargs)
          ? { noise: { amplitude: this.noise, key: this.#counter.next() } }
          : {};
      return pade(single(inputs), this.#numerator!.read(), this.#denominator!.read(), { form, q, ...noise });
    });
  }

  /** The coefficients as they are now, one set for each group. */
  rationals(): Rational[] {
    if (!this.#numerator || !this.#denominator) return [this.initial];
    const rows = (weight: layers.LayerVariable) => {
      const tensor = weight.read();
      const values = Array.from(tensor.dataSync());
      const length = tensor.shape.at(-1)!;
      const sets = tensor.rank === 2 ? tensor.shape[0]! : 1;
      return Array.from({ length: sets }, (_, set) => values.slice(set * length, (set + 1) * length));
    };
    const denominators = rows(this.#denominator);
    return rows(this.#numerator).map((numerator, set) => ({
      ...this.initial,
      numerator,
      denominator: denominators[set]!,
    }));
  }

  /** The coefficients as they are now; of a layer with several sets, the first. */
  rational(): Rational {
    return this.rationals()[0]!;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { numerator, denominator, form, q } = this.initial;
    return {
      ...super.getConfig(),
      numerator: [...numerator],
      denominator: [...denominator],
      form,
      q,
      ...(this.shared === 'layer'
        ? {}
        : { shared: typeof this.shared === 'string' ? this.shared : { ...this.shared } }),
      ...(this.noise > 0 ? { noise: this.noise, seed: this.#seed } : {}),
      ...(this.range ? { range: [...this.range] } : {}),
    };
  }
}

tf.serialization.registerClass(PadeLayer);

/**
 * The coefficients of a Padé activation as they are now, one set for each group of channels (most often one): what
 * `evaluateRational`, `poles`, `extrema`, `rangeOf` and `lipschitzBound` take.
 *
 * @param layer `model.getLayer('act1')`; borrowed
 * @throws OptionsError when it is another kind of layer
 */
export function coefficients(layer: layers.layers.Layer): Rational[] {
  if (layer instanceof PadeLayer) return layer.rationals();
  throw new OptionsError(
    `coefficients: ${layer.name} is a ${layer.getClassName()}, expected a layer of pau(), rpau() or rational()`,
  );
}
