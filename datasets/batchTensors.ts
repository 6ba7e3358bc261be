/** The two tensors of a batch. */
import * as tf from '@tensorflow/tfjs-core';
import { integerTable, normalisingTable, type PixelTable, pixels } from '../src/ops/pixels.js';
import type { Batch, PixelFormat } from './dataset.js';

/** What bytes become in each format. */
export function pixelTables(
  mean: readonly number[],
  std: readonly number[],
): Readonly<Record<PixelFormat, PixelTable>> {
  return { float32: normalisingTable(mean, std), uint8: integerTable(mean.length) };
}

/**
 * @param bytes `[labels.length, ...shape]`; copied
 * @param shape `[height, width, channels]`
 * @param table of the wanted format
 */
export function batchTensors(
  bytes: Uint8Array,
  labels: Int32Array,
  shape: readonly [number, number, number],
  table: PixelTable,
): Batch {
  return {
    images: pixels(bytes, [labels.length, ...shape], table),
    labels: tf.tensor1d(labels, 'int32'),
  };
}
