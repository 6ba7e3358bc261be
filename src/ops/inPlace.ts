/** What a kernel needs that changes a variable's memory: data that no other tensor shares. */
import * as tf from '@tensorflow/tfjs-core';

/** Gives a variable data of its own when another tensor (a clone, a snapshot) has the same. */
export function unshare(variable: tf.Variable): void {
  if (tf.engine().backend.refCount(variable.dataId) > 1) tf.tidy(() => variable.assign(tf.add(variable, 0)));
}
