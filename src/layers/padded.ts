/** Windows with PyTorch's padding, the same number of rows and columns on every side; TensorFlow's `'same'` is another at stride 2. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';

type Inputs = tf.Tensor | tf.Tensor[];
type Config = tf.serialization.ConfigDict;

interface Padded {
  /** Rows and columns added on every side: PyTorch's `padding`. */
  readonly pad: number;
}

export type PaddedConv2DArgs = Omit<Parameters<typeof layers.layers.conv2d>[0], 'padding'> & Padded;
export type PaddedDepthwiseConv2DArgs = Omit<Parameters<typeof layers.layers.depthwiseConv2d>[0], 'padding'> &
  Padded;
export type PaddedMaxPooling2DArgs = Omit<Parameters<typeof layers.layers.maxPooling2d>[0], 'padding'> &
  Padded;

/** tfjs-layers exports what makes its layers, but not their classes. */
function classOf<Args>(sample: layers.layers.Layer): new (args: Args) => layers.layers.Layer {
  return sample.constructor as new (
    args: Args,
  ) => layers.layers.Layer;
}

const Conv2D = classOf<PaddedConv2DArgs>(layers.layers.conv2d({ filters: 1, kernelSize: 1 }));
const DepthwiseConv2D = classOf<PaddedDepthwiseConv2DArgs>(layers.layers.depthwiseConv2d({ kernelSize: 1 }));
const MaxPooling2D = classOf<PaddedMaxPooling2DArgs>(layers.layers.maxPooling2d({}));

/** The window of a layer, as its stock config has it. */
interface Window {
  readonly size: [number, number];
  readonly strides: [number, number];
  readonly pad: number;
}

/** tfjs's Conv2D with `pad` in place of `padding`; without an activation of its own. */
export class PaddedConv2D extends Conv2D {
  static readonly className = 'PaddedConv2D';
  readonly #window: Window;
  readonly #filters: number;

  constructor({ pad, ...args }: PaddedConv2DArgs) {
    super({ ...args, padding: 'valid' } as never);
    const { kernelSize, strides } = super.getConfig();
    this.#window = { size: kernelSize, strides, pad } as Window;
    this.#filters = args.filters;
  }

  override call(inputs: Inputs): tf.Tensor {
    const { strides, pad } = this.#window;
    const [filter, bias] = this.weights.map(weight => weight.read()) as [tf.Tensor4D, tf.Tensor1D?];
    const given = { x: only(inputs), filter, strides, pad, dimRoundingMode: 'floor' as const };
    return tf.fused.conv2d(bias ? { ...given, bias } : given);
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    return [...slid(inputShape, this.#window), this.#filters];
  }

  override getConfig(): Config {
    return { ...super.getConfig(), pad: this.#window.pad };
  }
}

/** tfjs's DepthwiseConv2D with `pad` in place of `padding`; without an activation of its own. */
export class PaddedDepthwiseConv2D extends DepthwiseConv2D {
  static readonly className = 'PaddedDepthwiseConv2D';
  readonly #window: Window;
  readonly #multiplier: number;

  constructor({ pad, ...args }: PaddedDepthwiseConv2DArgs) {
    super({ ...args, padding: 'valid' } as never);
    const { kernelSize, strides } = super.getConfig();
    this.#window = { size: kernelSize, strides, pad } as Window;
    this.#multiplier = args.depthMultiplier ?? 1;
  }

  override call(inputs: Inputs): tf.Tensor {
    const { strides, pad } = this.#window;
    const [filter, bias] = this.weights.map(weight => weight.read()) as [tf.Tensor4D, tf.Tensor1D?];
    return tf.tidy(() => {
      const y = tf.depthwiseConv2d(only(inputs), filter, strides, pad, 'NHWC', 1, 'floor');
      return bias ? tf.add(y, bias) : y;
    });
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    return [...slid(inputShape, this.#window), inputShape.at(-1)! * this.#multiplier];
  }

  override getConfig(): Config {
    return { ...super.getConfig(), pad: this.#window.pad };
  }
}

/** tfjs's MaxPooling2D with `pad` in place of `padding`; what is padded is never the maximum. */
export class PaddedMaxPooling2D extends MaxPooling2D {
  static readonly className = 'PaddedMaxPooling2D';
  readonly #window: Window;

  constructor({ pad, ...args }: PaddedMaxPooling2DArgs) {
    super({ ...args, padding: 'valid' } as never);
    const { poolSize, strides } = super.getConfig();
    this.#window = { size: poolSize, strides, pad } as Window;
  }

  override call(inputs: Inputs): tf.Tensor {
    const { size, strides, pad } = this.#window;
    return tf.maxPool(only(inputs), size, strides, pad, 'floor');
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    return [...slid(inputShape, this.#window), inputShape.at(-1)!];
  }

  override getConfig(): Config {
    return { ...super.getConfig(), pad: this.#window.pad };
  }
}

function only(inputs: Inputs): tf.Tensor4D {
  return (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor4D;
}

/** `[n, height, width]` after the window slid over an image: each side is ⌊(length + 2·pad - size) / stride⌋ + 1. */
function slid(inputShape: layers.Shape, { size, strides, pad }: Window): layers.Shape {
  const [n = null, ...sides] = inputShape.slice(0, -1);
  const lengths = sides.map((length, axis) =>
    length == null ? null : Math.floor((length + 2 * pad - size[axis]!) / strides[axis]!) + 1,
  );
  return [n, ...lengths];
}

for (const layer of [PaddedConv2D, PaddedDepthwiseConv2D, PaddedMaxPooling2D]) {
  tf.serialization.registerClass(layer as never);
}
