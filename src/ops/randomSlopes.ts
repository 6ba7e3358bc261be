/** RReLU's training half: every negative input gets a slope of its own, drawn by (key, element). */
import * as tf from '@tensorflow/tfjs-core';
import { uniformNoise } from '../activations/noise.js';

export interface SlopeRange {
  readonly lower: number;
  readonly upper: number;
}

/**
 * x where x >= 0, else r·x with r from U(lower, upper), anew for every element; the same key, the same draws.
 *
 * @param x any shape, float32; borrowed, as is the key
 * @param key int32 `[2]`
 */
export function randomSlopes(x: tf.Tensor, key: tf.Tensor, range: SlopeRange): tf.Tensor {
  const operation = tf.customGrad((given, save) => {
    (save as tf.GradSaveFunc)([given as tf.Tensor, key]);
    return {
      value: scaled(given as tf.Tensor, given as tf.Tensor, key, range),
      gradFunc: (dy, saved) => {
        const [savedX, savedKey] = saved as [tf.Tensor, tf.Tensor];
        return scaled(dy, savedX, savedKey, range);
      },
    };
  });
  return operation(x);
}

/** `of` times the slope at x: forward of x itself, backward of the gradient. */
function scaled(of: tf.Tensor, x: tf.Tensor, key: tf.Tensor, { lower, upper }: SlopeRange): tf.Tensor {
  if (tf.getKernel('RandomSlopes', tf.getBackend())) {
    return tf.engine().runKernel('RandomSlopes', { of, x, key }, { lower, upper });
  }
  return tf.tidy(() => {
    const [first, second] = key.dataSync() as Int32Array;
    const u = tf.tensor(uniformNoise([first!, second!], 0, x.size), x.shape);
    const slope = tf.add((lower + upper) / 2, tf.mul((upper - lower) / 2, u));
    return tf.where(tf.greaterEqual(x, 0), of, tf.mul(of, slope));
  });
}
