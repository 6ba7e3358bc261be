/** Dropout whose draws depend on (seed, layer, step, element) alone; tfjs-layers' own draws anew whatever the seed. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { noiseStart } from '../activations/activationLayer.js';
import { nextKey } from '../ops/nextKey.js';
import { randomSlopes } from '../ops/randomSlopes.js';

export interface KeyedDropoutArgs {
  readonly name?: string;
  /** Share of the elements that are set to 0, in [0, 1); the others are divided by 1 - rate. */
  readonly rate: number;
  readonly seed: number;
}

/** In training alone; its weight `noise` int32 `[2]` counts the steps, so that a checkpoint goes on where it stopped. */
export class KeyedDropout extends layers.layers.Layer {
  static readonly className = 'KeyedDropout';
  readonly rate: number;
  readonly #seed: number;
  #counter: layers.LayerVariable | undefined;

  constructor({ rate, seed, ...args }: KeyedDropoutArgs) {
    super(args);
    this.rate = rate;
    this.#seed = seed;
    this.supportsMasking = true;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    this.#counter = this.addWeight(
      'noise',
      [2],
      'int32',
      noiseStart(this.#seed, this.name),
      undefined,
      false,
    );
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs?: { readonly training?: unknown }): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    if (kwargs?.training !== true) return x.clone();
    return tf.tidy(() => {
      const key = nextKey(this.#counter!.read() as tf.Variable);
      const draws = randomSlopes(tf.fill(x.shape, -1), key, { lower: -1, upper: 0 }); // -1 times U(-1, 0)
      const kept = tf.cast(tf.greaterEqual(draws, this.rate), 'float32');
      return tf.mul(x, tf.div(kept, 1 - this.rate));
    });
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    return inputShape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), rate: this.rate, seed: this.#seed };
  }
}

tf.serialization.registerClass(KeyedDropout as never);
