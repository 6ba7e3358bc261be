/** What the layers of learnable and random activations have in common: element by element, so the shape stays. */
import type * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { Given } from '../initializers.js';
import { nextKey } from '../ops/nextKey.js';
import { RandomStream } from '../random.js';

export interface ActivationLayerArgs {
  readonly name?: string;
  readonly trainable?: boolean;
}

export abstract class ActivationLayer extends layers.layers.Layer {
  constructor(args: ActivationLayerArgs = {}) {
    super({ ...args });
    this.supportsMasking = true;
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    return inputShape;
  }

  /** A weight that starts with the given numbers. */
  protected weight(
    name: string,
    values: readonly number[],
    shape: layers.Shape = [values.length],
  ): layers.LayerVariable {
    return this.addWeight(name, shape, 'float32', new Given({ values }));
  }

  /**
   * What chooses the layer's noise: a stream of its own and a count of the steps, a weight that checkpoints keep.
   * @param seed tells the streams of layers with the same name apart
   */
  protected noiseCounter(seed: number): NoiseCounter {
    const start = noiseStart(seed, this.name);
    const weight = this.addWeight('noise', [2], 'int32', start, undefined, false);
    return { next: () => nextKey(weight.read() as tf.Variable) };
  }
}

/** What a counter of noise starts with: a stream that belongs to (seed, layer), and no step taken. */
export function noiseStart(seed: number, layer: string): Given {
  const stream = new RandomStream(seed, 'noise', layer).uint32() | 0;
  return new Given({ values: [stream, 0] });
}

export interface NoiseCounter {
  /** int32 `[2]`: another key at every call. */
  next(): tf.Tensor1D;
}

/** The one tensor of a layer's inputs. */
export function single(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0]! : inputs;
}

/** Whether the network is being trained, as tfjs tells a layer's `call`. */
export function isTraining(kwargs: { readonly training?: unknown } | undefined): boolean {
  return kwargs?.training === true;
}
