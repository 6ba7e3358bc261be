/** A data set of which a test decides every pixel, and which counts the batches that were asked for. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Dataset } from '../../src/index.js';

export interface Counting {
  readonly data: Dataset;
  /** Batches that were given out and not disposed since. */
  live(): number;
  given(): number;
}

/** `data`, watched. */
export function counting(data: Dataset): Counting {
  const batches: tf.Tensor[] = [];
  async function* watched<Batch extends { images: tf.Tensor4D }>(source: AsyncIterable<Batch>) {
    for await (const batch of source) {
      batches.push(batch.images);
      yield batch;
    }
  }
  return {
    data: {
      ...data,
      train: options => watched(data.train(options)),
      test: options => watched(data.test(options)),
    },
    live: () => batches.filter(images => !images.isDisposed).length,
    given: () => batches.length,
  };
}
