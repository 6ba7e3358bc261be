/** First-order Taylor scores of filters: what the loss would change by without them (Molchanov et al., CVPR 2019). */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../datasets/dataset.js';
import { softmaxCrossEntropy } from '../src/ops/softmaxCrossEntropy.js';
import type { CouplingGraph } from './graph.js';

/** Batches of training images that the gradients are taken over. */
const BATCHES = 8;

/**
 * (Σ gradient · weight)² of every filter, summed over some batches.
 *
 * @returns by convolution; as `filterScores` counts filters
 */
export async function taylorScores(
  model: LayersModel,
  { groups }: CouplingGraph,
  data: Dataset,
  { batchSize, seed }: { batchSize: number; seed: number },
): Promise<Map<string, Float64Array>> {
  const members = groups.flatMap(group => group.members);
  const kernels = members.map(
    ({ layer, weight }) => model.getLayer(layer).weights[weight]!.read() as tf.Variable,
  );
  const scores = members.map(({ channels }) => new Float64Array(channels.length));
  let batches = 0;
  for await (const { images, labels } of data.train({ batchSize, seed, epoch: 0 })) {
    tf.tidy(() => {
      const { grads } = tf.variableGrads(
        () => softmaxCrossEntropy(model.apply(images) as tf.Tensor2D, labels),
        kernels,
      );
      kernels.forEach((kernel, i) => {
        const own = scores[i]!;
        const products = tf.reshape(tf.mul(grads[kernel.name]!, kernel as tf.Tensor), [-1, own.length]);
        tf.sum(products, 0)
          .dataSync()
          .forEach((change, filter) => {
            own[filter]! += change ** 2;
          });
      });
    });
    tf.dispose([images, labels]);
    if (++batches === BATCHES) break;
  }
  return new Map(members.map(({ layer }, i) => [layer, scores[i]!]));
}
