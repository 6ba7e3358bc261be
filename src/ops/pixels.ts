/** Images of bytes as the numbers that networks take. */
import * as tf from '@tensorflow/tfjs-core';

/** What each byte becomes: `[channels, 256]`, row-major. */
export type PixelTable = Float32Array | Int32Array;

/** For pixels of [0, 1] less the mean, by the standard deviation, each per channel. */
export function normalisingTable(mean: readonly number[], std: readonly number[]): Float32Array {
  return Float32Array.from({ length: 256 * mean.length }, (_, i) => {
    const channel = i >> 8;
    return ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  });
}

/** For the bytes as they are: TensorFlow.js has none, but int32. */
export function integerTable(channels: number): Int32Array {
  return Int32Array.from({ length: 256 * channels }, (_, i) => i & 255);
}

/**
 * @param bytes of `shape`, in row-major order; may be shared with other threads
 * @param shape `[n, height, width, channels]`
 * @returns float32 or int32, as the table
 */
export function pixels(
  bytes: Uint8Array,
  shape: readonly [number, number, number, number],
  table: PixelTable,
): tf.Tensor4D {
  if (!tf.getKernel('Pixels', tf.getBackend())) return tf.tensor(lookUp(bytes, table), [...shape]);
  return tf.tidy(() => {
    const inputs = { table: tf.tensor(table, [shape[3], 256]) };
    // Not as a tensor: it would be copied first, and tfjs's only tensors of bytes are those of bool.
    const attributes = { bytes, shape } as unknown as tf.NamedAttrMap;
    return tf.engine().runKernel('Pixels', inputs, attributes) as tf.Tensor4D;
  });
}

/** The same by JavaScript. */
export function lookUp<Table extends PixelTable>(bytes: Uint8Array, table: Table): Table {
  const channels = table.length >> 8;
  const values = new (table.constructor as new (length: number) => Table)(bytes.length);
  for (let i = 0; i < bytes.length; )
    for (let c = 0; c < channels; c++, i++) values[i] = table[(c << 8) | bytes[i]!]!;
  return values;
}
