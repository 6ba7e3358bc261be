/** The two tensors of a batch. */
import * as tf from '@tensorflow/tfjs-core';
import type { Batch, PixelFormat } from './dataset.js';

/**
 * @param values `[labels.length, ...shape]`, floats for `'float32'`, integers for `'uint8'`
 * @param shape `[height, width, channels]`
 */
export function batchTensors(
  values: Float32Array | Int32Array,
  labels: Int32Array,
  shape: readonly [number, number, number],
  format: PixelFormat,
): Batch {
  const dtype = format === 'uint8' ? 'int32' : 'float32'; // TensorFlow.js has no bytes
  return tf.tidy(() => ({
    images: tf.tensor(values, [labels.length, ...shape], dtype) as tf.Tensor4D,
    labels: tf.tensor(labels, [labels.length], 'int32') as tf.Tensor1D,
  }));
}
