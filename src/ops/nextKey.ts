/** The counter behind a layer's noise: a variable that a training step advances by itself, in memory of its own. */
import * as tf from '@tensorflow/tfjs-core';
import { unshare } from '../engines/unshare.js';

/**
 * The key for this call; the variable goes on to the next one. A step that is recorded and replayed advances it too:
 * where the engine has the kernel, the variable's memory is changed in place.
 *
 * @param counter int32 `[2]`: a stream, and how many keys were taken from it
 * @returns int32 `[2]`, the caller's
 */
export function nextKey(counter: tf.Variable): tf.Tensor1D {
  if (tf.getKernel('NextKey', tf.getBackend())) {
    unshare(counter);
    return tf.engine().runKernel('NextKey', { counter: counter as tf.Tensor }) as tf.Tensor1D;
  }
  const key = tf.clone(counter as tf.Tensor) as tf.Tensor1D;
  tf.tidy(() => counter.assign(tf.add(counter, tf.tensor1d([0, 1], 'int32'))));
  return key;
}
