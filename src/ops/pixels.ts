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

/**
 * @param bytes of `shape`, in row-major order; copied, shared memory too
 * @param shape `[n, height, width, channels]`
 * @returns float32
 */
export function normalisedPixels(
  bytes: Uint8Array,
  shape: readonly [number, number, number, number],
  table: PixelTable,
): tf.Tensor4D {
  if (!hasKernel('NormalisedPixels')) return tf.tensor(lookUp(bytes, table), [...shape]) as tf.Tensor4D;
  return tf.tidy(
    () =>
      tf.engine().runKernel('NormalisedPixels', {
        bytes: byteTensor(bytes, shape),
        table: tf.tensor(table, [shape[3], 256]),
      }) as tf.Tensor4D,
  );
}

/** @returns int32: TensorFlow.js has no bytes; parameters as `normalisedPixels` */
export function integerPixels(
  bytes: Uint8Array,
  shape: readonly [number, number, number, number],
): tf.Tensor4D {
  if (!hasKernel('IntegerPixels'))
    return tf.tensor(new Int32Array(bytes), [...shape], 'int32') as tf.Tensor4D;
  return tf.tidy(
    () => tf.engine().runKernel('IntegerPixels', { bytes: byteTensor(bytes, shape) }) as tf.Tensor4D,
  );
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

/** Taken again for every batch: V8 collects more often for arrays of a batch's size. */
let unshared = new Uint8Array(0);

/** tfjs's only tensors of bytes are those of bool. The engine copies them, but not from memory that threads share. */
function byteTensor(bytes: Uint8Array, shape: readonly number[]): tf.Tensor {
  if (bytes.buffer instanceof ArrayBuffer) return tf.tensor(bytes, [...shape], 'bool');
  if (unshared.length < bytes.length) unshared = new Uint8Array(bytes.length);
  unshared.set(bytes);
  return tf.tensor(unshared.subarray(0, bytes.length), [...shape], 'bool');
}
