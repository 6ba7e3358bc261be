/** Accuracy and loss of a network on a data set's test images. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { engine } from '../engines/index.js';
import { softmaxCrossEntropy } from '../ops/softmaxCrossEntropy.js';
import { checkFits } from './check.js';
import type { Metrics } from './provenance.js';

const BATCH_SIZE = 500;

/**
 * Runs all test images through the network.
 *
 * @param model from `[n, height, width, channels]` to logits `[n, classes]`; borrowed
 * @throws ShapeError when the network does not take the data set's images or has fewer outputs than it has classes
 */
export async function evaluate(
  model: LayersModel,
  data: Dataset,
  { batchSize = BATCH_SIZE, signal }: { batchSize?: number; signal?: AbortSignal | undefined } = {},
): Promise<Metrics> {
  await engine.ready();
  checkFits('evaluate', model, data);
  let correct = 0;
  let lossSum = 0;
  let images = 0;
  for await (const batch of data.test({ batchSize })) {
    try {
      signal?.throwIfAborted();
      const count = batch.labels.shape[0];
      const [batchLoss, batchCorrect] = tf.tidy(() => {
        const logits = model.predictOnBatch(batch.images) as tf.Tensor2D;
        return [
          softmaxCrossEntropy(logits, batch.labels).dataSync()[0]!,
          countCorrect(logits, batch.labels).dataSync()[0]!,
        ];
      });
      lossSum += batchLoss! * count;
      correct += batchCorrect!;
      images += count;
    } finally {
      tf.dispose([batch.images, batch.labels]);
    }
  }
  return { testAccuracy: correct / images, testLoss: lossSum / images };
}

/** How many rows of `logits` are largest at their label; a scalar. */
export function countCorrect(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor {
  if (tf.getKernel('CountCorrect', tf.getBackend()))
    return tf.engine().runKernel('CountCorrect', { logits, labels }) as tf.Tensor;
  return tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'int32'));
}
