/** Batch normalisation with PyTorch's semantics: one kernel where the engine has it, composed of tfjs operators elsewhere. */
import * as tf from '@tensorflow/tfjs-core';
import { ShapeError } from '../errors.js';
import { unshare } from '../engines/unshare.js';

/** Per channel, all `[c]`; borrowed. */
export interface BatchNormWeights {
  readonly gamma: tf.Tensor;
  readonly beta: tf.Tensor;
}

/** What `batchNormInference` normalises with and `batchNormTraining` updates in place; `[c]` each. */
export interface RunningStatistics {
  readonly mean: tf.Variable;
  readonly variance: tf.Variable;
}

export interface BatchNormTrainingOptions {
  readonly epsilon: number;
  /** The new batch's share in the running statistics; PyTorch's default is 0.1. */
  readonly momentum: number;
}

/**
 * (x - mean) / √(variance + epsilon) · gamma + beta with the batch's own mean and biased variance, over all axes but the
 * last; differentiable by x, gamma and beta (Ioffe & Szegedy, ICML 2015, Algorithm 1).
 *
 * Changes `running` in place as PyTorch does: r = (1 - momentum)·r + momentum·batch, with the unbiased variance.
 *
 * @param x `[..., c]` float32; borrowed
 * @throws ShapeError when a vector is not `[c]`, or a channel has a single value, whose variance is unknown
 */
export function batchNormTraining<T extends tf.Tensor>(
  x: T,
  weights: BatchNormWeights,
  running: RunningStatistics,
  options: BatchNormTrainingOptions,
): T {
  checkShapes(x, weights, running);
  const count = x.size / x.shape.at(-1)!;
  if (count < 2) {
    throw new ShapeError(
      `batchNorm: training needs more than one value per channel, got x [${x.shape.join(', ')}]; use a larger batch`,
    );
  }
  return tf.tidy(() =>
    tf.getKernel('BatchNormTraining', tf.getBackend())
      ? withKernel(x, weights, running, options)
      : composed(x, weights, running, options),
  ) as T;
}

/** The same with given statistics, which stay as they are. */
export function batchNormInference<T extends tf.Tensor>(
  x: T,
  weights: BatchNormWeights,
  running: RunningStatistics,
  { epsilon }: Pick<BatchNormTrainingOptions, 'epsilon'>,
): T {
  checkShapes(x, weights, running);
  return tf.batchNorm(
    x,
    running.mean as tf.Tensor1D,
    running.variance as tf.Tensor1D,
    weights.beta as tf.Tensor1D,
    weights.gamma as tf.Tensor1D,
    epsilon,
  ) as T;
}

function withKernel(
  x: tf.Tensor,
  { gamma, beta }: BatchNormWeights,
  running: RunningStatistics,
  options: BatchNormTrainingOptions,
): tf.Tensor {
  unshare(running.mean);
  unshare(running.variance);
  const attributes = { ...options };
  const operation = tf.customGrad((x, gamma, beta, save) => {
    const inputs = { x, gamma, beta, runningMean: running.mean, runningVariance: running.variance };
    const [y, mean, inverseDeviation] = tf
      .engine()
      .runKernel('BatchNormTraining', inputs as tf.NamedTensorMap, attributes) as tf.Tensor[];
    (save as tf.GradSaveFunc)([x as tf.Tensor, gamma as tf.Tensor, mean!, inverseDeviation!]);
    return {
      value: y!,
      gradFunc: (dy, saved) => {
        const [x, gamma, mean, inverseDeviation] = saved as tf.Tensor[];
        const given = { dy, x, gamma, mean, inverseDeviation } as tf.NamedTensorMap;
        return tf.engine().runKernel('BatchNormTrainingGrad', given, attributes) as tf.Tensor[];
      },
    };
  });
  return operation(x, gamma, beta);
}

function composed(
  x: tf.Tensor,
  { gamma, beta }: BatchNormWeights,
  running: RunningStatistics,
  { epsilon, momentum }: BatchNormTrainingOptions,
): tf.Tensor {
  const axes = x.shape.slice(0, -1).map((_, axis) => axis);
  const count = x.size / x.shape.at(-1)!;
  const mean = tf.mean(x, axes);
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), axes);
  move(running.mean, mean, momentum);
  move(running.variance, tf.mul(variance, count / (count - 1)), momentum);
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon)));
  return tf.add(tf.mul(centred, scale), beta);
}

function move(running: tf.Variable, batch: tf.Tensor, momentum: number): void {
  tf.tidy(() => running.assign(tf.add(tf.mul(running, 1 - momentum), tf.mul(batch, momentum))));
}

function checkShapes(x: tf.Tensor, weights: BatchNormWeights, running: RunningStatistics): void {
  const channels = x.shape.at(-1);
  for (const [name, { shape }] of Object.entries({ ...weights, ...running }) as [string, tf.Tensor][]) {
    if (shape.length === 1 && shape[0] === channels) continue;
    throw new ShapeError(
      `batchNorm: ${name} must be [${channels}] for x [${x.shape.join(', ')}], got [${shape.join(', ')}]`,
    );
  }
}
