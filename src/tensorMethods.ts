/**
 * The methods of tensors that tfjs-layers calls: the package `@tensorflow/tfjs` adds them, tfjs-core alone does not, and
 * without them no recurrent layer can be built with its default initialiser (orthogonal).
 */
import * as tf from '@tensorflow/tfjs-core';

const METHODS = {
  flatten: (x: tf.Tensor) => tf.reshape(x, [x.size]),
  reshape: (x: tf.Tensor, shape: number[]) => tf.reshape(x, shape),
  sign: (x: tf.Tensor) => tf.sign(x),
  stridedSlice: (x: tf.Tensor, begin: number[], end: number[], strides: number[]) =>
    tf.stridedSlice(x, begin, end, strides),
  transpose: (x: tf.Tensor, permutation?: number[]) => tf.transpose(x, permutation),
};

for (const [name, method] of Object.entries(METHODS) as [string, (...args: unknown[]) => tf.Tensor][]) {
  if (name in tf.Tensor.prototype) continue;
  Object.defineProperty(tf.Tensor.prototype, name, {
    value(this: tf.Tensor, ...args: unknown[]) {
      return method(this, ...args);
    },
    configurable: true,
    writable: true, // for whoever imports `@tensorflow/tfjs` after us
  });
}
