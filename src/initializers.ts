/** Weight initialisers that tfjs-layers lacks: given numbers, and uniform draws keyed by seed and weight, in any order of building. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { uniform } from './random.js';

export type Initializer = ReturnType<typeof layers.initializers.zeros>;

/** tfjs-layers does not export its Initializer class and accepts only its subclasses; it is the parent of what it makes. */
const Initializer = Object.getPrototypeOf(layers.initializers.zeros().constructor) as abstract new () => Initializer;

/** Starts a weight with given numbers. */
export class Given extends Initializer {
  static readonly className = 'Given';
  readonly #values: readonly number[];

  constructor({ values }: { readonly values: readonly number[] }) {
    super();
    this.#values = values;
  }

  override apply(shape: layers.Shape): tf.Tensor {
    return tf.tensor([...this.#values], shape as number[]);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { values: [...this.#values] };
  }
}

export interface KeyedUniformArgs {
  /** Draws are from [-bound, bound). */
  readonly bound: number;
  readonly seed: number;
  /** Tells this weight's draws from every other's, e.g. `'c1/kernel'`. */
  readonly stream: string;
}

/** Uniform draws that depend on (seed, stream) alone: the same weights whatever was built before. */
export class KeyedUniform extends Initializer {
  static readonly className = 'KeyedUniform';
  readonly #args: KeyedUniformArgs;

  constructor(args: KeyedUniformArgs) {
    super();
    this.#args = args;
  }

  override apply(shape: layers.Shape): tf.Tensor {
    const { bound, seed, stream } = this.#args;
    const values = new Float32Array(tf.util.sizeFromShape(shape as number[]));
    uniform(values, { low: -bound, high: bound }, seed, stream);
    return tf.tensor(values, shape as number[], 'float32');
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...this.#args };
  }
}

/**
 * What PyTorch's `nn.Conv2d` and `nn.Linear` start with (Kaiming uniform, a = √5): kernel and bias from ±1/√fanIn.
 *
 * @param fanIn inputs of one output: kernel height · width · input channels
 */
export function pytorchDefault({ fanIn, seed, layer }: { fanIn: number; seed: number; layer: string }) {
  const bound = 1 / Math.sqrt(fanIn);
  return {
    kernelInitializer: new KeyedUniform({ bound, seed, stream: `${layer}/kernel` }),
    biasInitializer: new KeyedUniform({ bound, seed, stream: `${layer}/bias` }),
  };
}

tf.serialization.registerClass(Given as never);
tf.serialization.registerClass(KeyedUniform as never);
