/** The layer of batch normalisation with PyTorch's semantics, which tfjs-layers' own has not: momentum, unbiased running variance. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { batchNormInference, batchNormTraining } from '../ops/batchNorm.js';

export interface BatchNormArgs {
  readonly name?: string;
  readonly trainable?: boolean;
  /** The new batch's share in the running statistics; default 0.1. (Keras's momentum is the old one's share.) */
  readonly momentum?: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
}

/** Over the last axis of `[n, ..., c]`; weights `gamma`, `beta`, `running_mean`, `running_variance`, `[c]` each. */
export class BatchNorm extends layers.layers.Layer {
  static readonly className = 'BatchNorm';
  readonly momentum: number;
  readonly epsilon: number;
  #weights: Record<'gamma' | 'beta' | 'mean' | 'variance', layers.LayerVariable> | undefined;

  constructor({ momentum = 0.1, epsilon = 1e-5, ...args }: BatchNormArgs = {}) {
    super(args);
    this.momentum = momentum;
    this.epsilon = epsilon;
    this.supportsMasking = true;
  }

  override build(inputShape: layers.Shape | layers.Shape[]): void {
    const shape = [(inputShape as layers.Shape).at(-1)!];
    const zeros = layers.initializers.zeros();
    const ones = layers.initializers.ones();
    this.#weights = {
      gamma: this.addWeight('gamma', shape, 'float32', ones),
      beta: this.addWeight('beta', shape, 'float32', zeros),
      mean: this.addWeight('running_mean', shape, 'float32', zeros, undefined, false),
      variance: this.addWeight('running_variance', shape, 'float32', ones, undefined, false),
    };
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: { training?: boolean }): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    const { gamma, beta, mean, variance } = this.#weights!;
    const weights = { gamma: gamma.read(), beta: beta.read() };
    // A LayerVariable's value is a tf.Variable, though its type says Tensor.
    const running = { mean: mean.read() as tf.Variable, variance: variance.read() as tf.Variable };
    return kwargs?.training
      ? batchNormTraining(x, weights, running, { momentum: this.momentum, epsilon: this.epsilon })
      : batchNormInference(x, weights, running, { epsilon: this.epsilon });
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    return inputShape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), momentum: this.momentum, epsilon: this.epsilon };
  }
}

tf.serialization.registerClass(BatchNorm);
