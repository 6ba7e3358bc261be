/** The two tensors of a batch. */
import * as tf from '@tensorflow/tfjs-core';
import { bytePixels, normalisedPixels, type PixelTable } from '../src/ops/pixels.js';
import type { Batch, PixelFormat } from './dataset.js';

/**
 * @param bytes `[labels.length, ...shape]`; copied
 * @param shape `[height, width, channels]`
 * @param table what bytes become as `'float32'`
 */
export function batchTensors(
  bytes: Uint8Array,
  labels: Int32Array,
  shape: readonly [number, number, number],
  format: PixelFormat,
  table: PixelTable,
): Batch {
  const all = [labels.length, ...shape] as const;
  return {
    images: format === 'uint8' ? bytePixels(bytes, all) : normalisedPixels(bytes, all, table),
    labels: tf.tensor1d(labels, 'int32'),
  };
}
