/** Images of bytes as the numbers that networks take. */
import * as tf from '@tensorflow/tfjs-core';

/** What each byte becomes: `[channels, 256]`, row-major. */
export type PixelTable = Float32Array;

/** For pixels of [0, 1] less the mean, by the standard deviation, each per channel. */
export function normalisingTable(mean: readonly number[], std: readonly number[]): PixelTable {
  return Float32Array.from({ length: 256 * mean.length }, (_, i) => {
    const channel = i >> 8;
    return ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  });
}

/** `[n, height, width, channels]` */
type Shape = readonly [number, number, number, number];

/**
 * @param bytes of `shape`, in row-major order; may be shared with other threads
 * @returns float32
 */
export function normalisedPixels(bytes: Uint8Array, shape: Shape, table: PixelTable): tf.Tensor4D {
  if (!hasKernel('NormalisedPixels')) return tf.tensor4d(lookUp(bytes, table), [...shape]);
  return tf.tidy(() => run('NormalisedPixels', { table: tf.tensor(table, [shape[3], 256]) }, bytes, shape));
}

/**
 * The bytes themselves, parameters as of `normalisedPixels`.
 * @returns int32, as TensorFlow.js has nothing narrower; the torch engine keeps them in a byte each
 */
export function bytePixels(bytes: Uint8Array, shape: Shape): tf.Tensor4D {
  if (!hasKernel('Bytes')) return tf.tensor4d(new Int32Array(bytes), [...shape], 'int32');
  return run('Bytes', {}, bytes, shape);
}

/** What `normalisedPixels` holds, by JavaScript. */
export function lookUp(bytes: Uint8Array, table: PixelTable): Float32Array {
  const channels = table.length >> 8;
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; )
    for (let c = 0; c < channels; c++, i++) values[i] = table[(c << 8) | bytes[i]!]!;
  return values;
}

const hasKernel = (name: string) => tf.getKernel(name, tf.getBackend()) !== undefined;

/** Bytes go as an attribute: as a tensor they would be copied first, and tfjs's only tensors of bytes are those of bool. */
function run(kernel: string, inputs: tf.NamedTensorMap, bytes: Uint8Array, shape: Shape): tf.Tensor4D {
  const attributes = { bytes, shape } as unknown as tf.NamedAttrMap;
  return tf.engine().runKernel(kernel, inputs, attributes) as tf.Tensor4D;
}
