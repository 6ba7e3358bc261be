/** Softmax cross-entropy with integer labels, as one operation with one gradient. */
import * as tf from '@tensorflow/tfjs-core';
import { OptionsError, ShapeError } from '../errors.js';

export interface SoftmaxCrossEntropyOptions {
  /**
   * Share ε of the target that is spread evenly over all classes: q = (1 - ε) one hot + ε / classes (Szegedy et al.,
   * "Rethinking the Inception Architecture", section 7). In [0, 1); default 0.
   */
  readonly labelSmoothing?: number;
}

/**
 * Mean over the batch of -Σ q log softmax(logits), in nats; q is the one-hot label, smoothed on request.
 *
 * @param logits `[n, classes]` float32; borrowed, as are the labels
 * @param labels `[n]` int32 class indices
 * @returns a scalar
 * @throws ShapeError when the shapes do not fit; OptionsError for a smoothing outside [0, 1)
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  { labelSmoothing = 0 }: SoftmaxCrossEntropyOptions = {},
): tf.Scalar {
  if (logits.rank !== 2 || labels.rank !== 1 || logits.shape[0] !== labels.shape[0]) {
    throw new ShapeError(
      `softmaxCrossEntropy: logits must be [n, classes] and labels [n], got [${logits.shape.join(', ')}] and [${(labels as tf.Tensor).shape.join(', ')}]`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new OptionsError(
      `softmaxCrossEntropy: labelSmoothing must be at least 0 and less than 1, got ${labelSmoothing}`,
    );
  }
  const operation = tf.customGrad((x, save) => {
    const [loss, logProbabilities, count] = forward(x as tf.Tensor2D, labels, labelSmoothing);
    (save as tf.GradSaveFunc)([logProbabilities, labels, ...(count ? [count] : [])]);
    return {
      value: loss,
      gradFunc: (dy, saved) => backward(dy as tf.Scalar, saved as Saved, labelSmoothing),
    };
  });
  return operation(logits) as tf.Scalar;
}

/** Log-probabilities, labels, and how many labels there are where the engine's kernel says so. */
type Saved = [tf.Tensor2D, tf.Tensor1D, tf.Scalar?];

function forward(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  labelSmoothing: number,
): [loss: tf.Scalar, logProbabilities: tf.Tensor2D, count?: tf.Scalar] {
  if (tf.getKernel('SparseSoftmaxCrossEntropy', tf.getBackend())) {
    return tf.engine().runKernel('SparseSoftmaxCrossEntropy', { logits, labels }, { labelSmoothing }) as [
      tf.Scalar,
      tf.Tensor2D,
      tf.Scalar,
    ];
  }
  const logProbabilities = tf.logSoftmax(logits, 1);
  const expected = tf.sum(tf.mul(logProbabilities, targets(labels, logits.shape[1], labelSmoothing)), 1);
  return [tf.neg(tf.mean(expected)), logProbabilities];
}

function backward(
  dy: tf.Scalar,
  [logProbabilities, labels, count]: Saved,
  labelSmoothing: number,
): tf.Tensor2D {
  if (tf.getKernel('SparseSoftmaxCrossEntropyGrad', tf.getBackend())) {
    return tf
      .engine()
      .runKernel(
        'SparseSoftmaxCrossEntropyGrad',
        { dy, logProbabilities, labels, count: count! },
        { labelSmoothing },
      ) as tf.Tensor2D;
  }
  const [n, classes] = logProbabilities.shape;
  const excess = tf.sub(tf.exp(logProbabilities), targets(labels, classes, labelSmoothing));
  return tf.mul(excess, tf.div(dy, n)) as tf.Tensor2D;
}

/** The distribution that the network is asked for, `[n, classes]`. */
function targets(labels: tf.Tensor1D, classes: number, labelSmoothing: number): tf.Tensor {
  // Backends make one-hot vectors of integers: a share given as their on or off value would become 0.
  const certain = tf.cast(tf.oneHot(labels, classes), 'float32');
  return tf.add(tf.mul(certain, 1 - labelSmoothing), labelSmoothing / classes);
}
