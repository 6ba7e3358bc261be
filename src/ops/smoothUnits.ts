/** Swish, ELU and CELU, each with its derivative in one kernel where the engine has it. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * x·σ(βx): Swish, with β = 1 also called SiLU (Ramachandran et al. 2017).
 *
 * @param x any shape, float32; borrowed
 */
export function swish(x: tf.Tensor, beta: number): tf.Tensor {
  return fused(
    'Swish',
    x,
    { beta },
    given => tf.mul(given, tf.sigmoid(tf.mul(given, beta))),
    (dy, given) => {
      const inner = tf.mul(given, beta);
      const s = tf.sigmoid(inner);
      return tf.mul(dy, tf.mul(s, tf.add(1, tf.mul(inner, tf.sub(1, s)))));
    },
  );
}

/**
 * x for x > 0, else α(exp(x·rate) - 1): ELU with rate 1 (Clevert et al. 2016), CELU with rate 1/α (Barron 2017).
 *
 * @param x any shape, float32; borrowed
 */
export function exponentialUnit(x: tf.Tensor, { alpha, rate }: { alpha: number; rate: number }): tf.Tensor {
  return fused(
    'ExponentialUnit',
    x,
    { alpha, rate },
    given =>
      tf.where(tf.greater(given, 0), given, tf.mul(alpha, tf.expm1(tf.mul(rate, tf.minimum(given, 0))))),
    (dy, given) => {
      const below = tf.mul(alpha * rate, tf.exp(tf.mul(rate, tf.minimum(given, 0))));
      return tf.mul(dy, tf.where(tf.greater(given, 0), tf.onesLike(given), below));
    },
  );
}

/** An element-wise function of one tensor: the engine's kernels `name` and `nameGrad`, or what is given. */
function fused(
  name: string,
  x: tf.Tensor,
  attributes: Record<string, number>,
  forward: (x: tf.Tensor) => tf.Tensor,
  backward: (dy: tf.Tensor, x: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  const has = (kernel: string) => tf.getKernel(kernel, tf.getBackend()) != null;
  const operation = tf.customGrad((given, save) => {
    (save as tf.GradSaveFunc)([given as tf.Tensor]);
    return {
      value: has(name)
        ? (tf.engine().runKernel(name, { x: given as tf.Tensor }, attributes) as tf.Tensor)
        : tf.tidy(() => forward(given as tf.Tensor)),
      gradFunc: (dy, saved) => {
        const [savedX] = saved as [tf.Tensor];
        return has(`${name}Grad`)
          ? (tf.engine().runKernel(`${name}Grad`, { dy, x: savedX }, attributes) as tf.Tensor)
          : tf.tidy(() => backward(dy, savedX));
      },
    };
  });
  return operation(x);
}
