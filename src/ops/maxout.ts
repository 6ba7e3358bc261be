/** The largest of k neighbouring channels, and its gradient. */
import * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '../errors.js';

/**
 * max over the channels k·c ... k·c + k - 1 of x's last axis (Goodfellow et al., ICML 2013); of equal ones the first gets
 * the gradient.
 *
 * @param x `[..., k·channels]`, float32; borrowed
 * @returns `[..., channels]`
 * @throws ShapeError when the channels are no multiple of `pieces`
 */
export function maxout(x: tf.Tensor, pieces: number): tf.Tensor {
  const channels = x.shape.at(-1) ?? 1;
  if (channels % pieces !== 0) {
    throw new ShapeError(`maxout: ${pieces} pieces do not divide the ${channels} channels of [${x.shape}]`);
  }
  const operation = tf.customGrad((given, save) => {
    (save as tf.GradSaveFunc)([given as tf.Tensor]);
    return {
      value: forward(given as tf.Tensor, pieces),
      gradFunc: (dy, saved) => backward(dy, (saved as tf.Tensor[])[0]!, pieces),
    };
  });
  return operation(x);
}

function forward(x: tf.Tensor, pieces: number): tf.Tensor {
  if (tf.getKernel('Maxout', tf.getBackend())) return tf.engine().runKernel('Maxout', { x }, { pieces });
  return tf.tidy(() => tf.max(tf.reshape(x, [...x.shape.slice(0, -1), -1, pieces]), -1));
}

function backward(dy: tf.Tensor, x: tf.Tensor, pieces: number): tf.Tensor {
  if (tf.getKernel('MaxoutGrad', tf.getBackend())) {
    return tf.engine().runKernel('MaxoutGrad', { dy, x }, { pieces });
  }
  return tf.tidy(() => {
    const apart = tf.reshape(x, [...dy.shape, pieces]);
    const chosen = tf.oneHot(tf.argMax(apart, -1) as tf.Tensor, pieces);
    return tf.reshape(tf.mul(tf.cast(chosen, 'float32'), tf.expandDims(dy, -1)), x.shape);
  });
}
