/** Weight initialisers that tfjs-layers lacks: given numbers, and PyTorch's default draws, keyed so that the order of building does not matter. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { normal, uniform } from './random.js';
import './tensorMethods.js';

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

export interface KeyedNormalArgs {
  readonly deviation: number;
  readonly seed: number;
  readonly stream: string;
}

/** Normal draws around 0 that depend on (seed, stream) alone. */
export class KeyedNormal extends Initializer {
  static readonly className = 'KeyedNormal';
  readonly #args: KeyedNormalArgs;

  constructor(args: KeyedNormalArgs) {
    super();
    this.#args = args;
  }

  override apply(shape: layers.Shape): tf.Tensor {
    return normalTensor(shape as number[], this.#args.deviation, this.#args);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...this.#args };
  }
}

export interface HeNormalArgs {
  /** Connections of one input (`'out'`, which keeps the gradient's size) or of one output (`'in'`, the signal's). */
  readonly fan: 'in' | 'out';
  /** What the kernel's shape means: `[h, w, in, out]`, or a depthwise one's `[h, w, channels, multiplier]`. */
  readonly kernel: 'dense' | 'depthwise';
  readonly seed: number;
  readonly stream: string;
}

/** Normal draws with deviation √(2 / fan) (He et al., ICCV 2015, Eq. 10 and 14); the fans are counted as PyTorch counts them. */
export class HeNormal extends Initializer {
  static readonly className = 'HeNormal';
  readonly #args: HeNormalArgs;

  constructor(args: HeNormalArgs) {
    super();
    this.#args = args;
  }

  override apply(shape: layers.Shape): tf.Tensor {
    const { fan, kernel } = this.#args;
    const [height, width, inner, outer] = shape as [number, number, number, number];
    // PyTorch takes a depthwise kernel [c·m, 1, h, w] for a dense one from 1 channel to c·m.
    const [inputs, outputs] = kernel === 'depthwise' ? [1, inner * outer] : [inner, outer];
    const connections = height * width * (fan === 'in' ? inputs : outputs);
    return normalTensor(shape as number[], Math.sqrt(2 / connections), this.#args);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...this.#args };
  }
}

function normalTensor(
  shape: number[],
  deviation: number,
  { seed, stream }: { seed: number; stream: string },
): tf.Tensor {
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  normal(values, { mean: 0, deviation }, seed, stream);
  return tf.tensor(values, shape, 'float32');
}

for (const initializer of [Given, FanInUniform, KeyedNormal, HeNormal]) {
  tf.serialization.registerClass(initializer as never);
}
