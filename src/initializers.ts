/** Weight initialisers that tfjs-layers lacks: given numbers, and PyTorch's default draws, keyed so that the order of building does not matter. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { uniform } from './random.js';

export type Initializer = ReturnType<typeof layers.initializers.zeros>;

/** tfjs-layers does not export its Initializer class and accepts only its subclasses; it is the parent of what it makes. */
const Initializer = Object.getPrototypeOf(
  layers.initializers.zeros().constructor,
) as abstract new () => Initializer;

/** Starts a weight with given numbers. */
export class Given extends Initializer {
  static readonly className = 'Given';
  readonly #values: readonly number[];

  constructor({ values }: { readonly values: readonly number[] }) {
    super();
    this.#values = values;
  }

  override apply(shape: layers.Shape, dtype?: tf.DataType): tf.Tensor {
    return tf.tensor([...this.#values], shape as number[], dtype);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { values: [...this.#values] };
  }
}

export interface FanInUniformArgs {
  /** Inputs of one output: kernel height · width · input channels. */
  readonly fanIn: number;
  readonly seed: number;
  /** Tells this weight's draws from every other's, e.g. `'conv1/kernel'`. */
  readonly stream: string;
}

/**
 * Uniform draws from ±1/√fanIn that depend on (seed, stream) alone: the same weights whatever was built before.
 * It is what PyTorch's `nn.Conv2d` and `nn.Linear` use for kernel and bias (Kaiming uniform with a = √5).
 */
export class FanInUniform extends Initializer {
  static readonly className = 'FanInUniform';
  readonly #args: FanInUniformArgs;

  constructor(args: FanInUniformArgs) {
    super();
    this.#args = args;
  }

  override apply(shape: layers.Shape): tf.Tensor {
    const { fanIn, seed, stream } = this.#args;
    const bound = 1 / Math.sqrt(fanIn);
    const values = new Float32Array(tf.util.sizeFromShape(shape as number[]));
    uniform(values, { low: -bound, high: bound }, seed, stream);
    return tf.tensor(values, shape as number[], 'float32');
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...this.#args };
  }
}

/** Both initialisers of a layer, as PyTorch starts it. */
export function pytorchDefault({ fanIn, seed, layer }: { fanIn: number; seed: number; layer: string }) {
  return {
    kernelInitializer: new FanInUniform({ fanIn, seed, stream: `${layer}/kernel` }),
    biasInitializer: new FanInUniform({ fanIn, seed, stream: `${layer}/bias` }),
  };
}

tf.serialization.registerClass(Given as never);
tf.serialization.registerClass(FanInUniform as never);
