/** Softmax cross-entropy with integer labels, as one operation with one gradient. */
import * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '../errors.js';

/**
 * Mean over the batch of -log softmax(logits)[label], in nats.
 *
 * @param logits `[n, classes]` float32; borrowed, as are the labels
 * @param labels `[n]` int32 class indices
 * @returns a scalar
 * @throws ShapeError when the shapes do not fit
 */
export function softmaxCrossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  if (logits.rank !== 2 || labels.rank !== 1 || logits.shape[0] !== labels.shape[0]) {
    throw new ShapeError(
      `softmaxCrossEntropy: logits must be [n, classes] and labels [n], got [${logits.shape.join(', ')}] and [${(labels as tf.Tensor).shape.join(', ')}]`,
    );
  }
  const operation = tf.customGrad((x, save) => {
    const [loss, logProbabilities] = forward(x as tf.Tensor2D, labels);
    (save as tf.GradSaveFunc)([logProbabilities, labels]);
    return {
      value: loss,
      gradFunc: (dy, saved) => backward(dy as tf.Scalar, ...(saved as [tf.Tensor2D, tf.Tensor1D])),
    };
  });
  return operation(logits) as tf.Scalar;
}

function forward(logits: tf.Tensor2D, labels: tf.Tensor1D): [tf.Scalar, tf.Tensor2D] {
  if (tf.getKernel('SparseSoftmaxCrossEntropy', tf.getBackend())) {
    return tf.engine().runKernel('SparseSoftmaxCrossEntropy', { logits, labels }) as [tf.Scalar, tf.Tensor2D];
  }
  const logProbabilities = tf.logSoftmax(logits, 1);
  const picked = tf.sum(tf.mul(logProbabilities, tf.oneHot(labels, logits.shape[1])), 1);
  return [tf.neg(tf.mean(picked)), logProbabilities];
}

function backward(dy: tf.Scalar, logProbabilities: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor2D {
  if (tf.getKernel('SparseSoftmaxCrossEntropyGrad', tf.getBackend())) {
    return tf
      .engine()
      .runKernel('SparseSoftmaxCrossEntropyGrad', { dy, logProbabilities, labels }) as tf.Tensor2D;
  }
  const [n, classes] = logProbabilities.shape;
  const excess = tf.sub(tf.exp(logProbabilities), tf.oneHot(labels, classes));
  return tf.mul(excess, tf.div(dy, n)) as tf.Tensor2D;
}
