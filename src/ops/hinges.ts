/** Piecewise linear functions as a sum of hinges, with gradients by every parameter: PReLU, APL, SReLU, mixtures. */
import * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '../errors.js';

/** Most hinges that the native kernel takes. */
export const MAX_HINGES = 16;

type Saved = [x: tf.Tensor, slope: tf.Tensor, weights: tf.Tensor, thresholds: tf.Tensor];

/**
 * slope·x + Σ weightⱼ·max(0, sideⱼ·(x - thresholdⱼ)); differentiable by x and by all parameters.
 *
 * At a threshold the slope of a right hinge (side 1) is 0 and that of a left one (side -1) counts: so PReLU at 0 has its
 * left slope, as in PyTorch.
 *
 * @param x any shape, float32; borrowed, as are the parameters
 * @param slope `[1]`
 * @param weights `[k]`, k <= 16
 * @param thresholds `[k]`
 * @param sides 1 or -1 for each hinge: whether it is open above or below its threshold
 * @throws ShapeError when the parameters' shapes do not fit
 */
export function hinges(
  x: tf.Tensor,
  slope: tf.Tensor,
  weights: tf.Tensor,
  thresholds: tf.Tensor,
  sides: readonly (1 | -1)[],
): tf.Tensor {
  const count = sides.length;
  const fits = weights.shape.length === 1 && weights.size === count && thresholds.shape.length === 1;
  if (slope.size !== 1 || !fits || thresholds.size !== count || count > MAX_HINGES) {
    throw new ShapeError(
      `hinges: needs slope [1] and as many weights and thresholds as the ${count} sides (at most ${MAX_HINGES}), got [${slope.shape}], [${weights.shape}] and [${thresholds.shape}]`,
    );
  }
  const operation = tf.customGrad((...given) => {
    const save = given.pop() as unknown as tf.GradSaveFunc;
    const inputs = given as Saved;
    save(inputs);
    return {
      value: forward(inputs, sides),
      gradFunc: (dy, saved) => backward(dy, saved as Saved, sides),
    };
  });
  return operation(x, slope, weights, thresholds);
}

function forward([x, slope, weights, thresholds]: Saved, sides: readonly number[]): tf.Tensor {
  if (tf.getKernel('Hinges', tf.getBackend())) {
    return tf.engine().runKernel('Hinges', { x, slope, weights, thresholds }, { sides: [...sides] });
  }
  return tf.tidy(() =>
    sides.reduce<tf.Tensor>(
      (sum, side, j) => tf.add(sum, tf.mul(at(weights, j), tf.maximum(0, distance(x, thresholds, j, side)))),
      tf.mul(x, at(slope, 0)),
    ),
  );
}

function backward(
  dy: tf.Tensor,
  [x, slope, weights, thresholds]: Saved,
  sides: readonly number[],
): [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor] {
  if (tf.getKernel('HingesGrad', tf.getBackend())) {
    return tf
      .engine()
      .runKernel('HingesGrad', { dy, x, slope, weights, thresholds }, { sides: [...sides] }) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
  }
  return tf.tidy(() => {
    let byX: tf.Tensor = tf.mul(tf.onesLike(x), at(slope, 0));
    const byWeight: tf.Tensor[] = [];
    const byThreshold: tf.Tensor[] = [];
    sides.forEach((side, j) => {
      const from = at(thresholds, j);
      const open = tf.cast(side > 0 ? tf.greater(x, from) : tf.lessEqual(x, from), 'float32');
      const change = tf.mul(open, tf.mul(at(weights, j), side));
      byX = tf.add(byX, change);
      byWeight.push(tf.sum(tf.mul(dy, tf.maximum(0, distance(x, thresholds, j, side)))));
      byThreshold.push(tf.neg(tf.sum(tf.mul(dy, change))));
    });
    const stacked = (values: tf.Tensor[], like: tf.Tensor) =>
      values.length === 0 ? tf.zerosLike(like) : tf.stack(values);
    return [
      tf.mul(dy, byX),
      tf.reshape(tf.sum(tf.mul(dy, x)), slope.shape),
      stacked(byWeight, weights),
      stacked(byThreshold, thresholds),
    ];
  }) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
}

function at(vector: tf.Tensor, index: number): tf.Tensor {
  return tf.reshape(tf.slice(tf.reshape(vector, [-1]), index, 1), []);
}

function distance(x: tf.Tensor, thresholds: tf.Tensor, j: number, side: number): tf.Tensor {
  return tf.mul(side, tf.sub(x, at(thresholds, j)));
}
