import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test, { type ExecutionContext } from 'ava';
import { ShapeError } from '../../src/index.js';
import { batchNormInference, batchNormTraining } from '../../src/ops/batchNorm.js';
import { largest, within } from '../support/closeness.js';
import { hasTorch } from '../support/engine.js';
import { fixture, noise } from '../support/fixture.js';

interface Reference {
  readonly shape: number[];
  readonly epsilon: number;
  readonly momentum: number;
  readonly steps: readonly {
    readonly y: number[];
    readonly dx: number[];
    readonly dgamma: number[];
    readonly dbeta: number[];
    readonly mean: number[];
    readonly variance: number[];
  }[];
  readonly inference: number[];
}
const { cases } = fixture<{ cases: Reference[] }>('batch-norm');

const ENGINES = hasTorch ? ['torch', 'cpu'] : ['cpu'];

for (const engine of ENGINES) {
  for (const reference of cases) {
    const { shape, epsilon, momentum } = reference;
    test.serial(
      `${engine}: [${shape}] epsilon ${epsilon}, momentum ${momentum}: values, gradients and running statistics are PyTorch's`,
      async t => {
        await tf.setBackend(engine);
        compare(t, reference);
      },
    );
  }

  for (const spoiler of [Number.NaN, Number.POSITIVE_INFINITY]) {
    test.serial(`${engine}: ${spoiler} spoils all of its channel and nothing of another`, async t => {
      await tf.setBackend(engine);
      const running = { mean: tf.variable(tf.zeros([2])), variance: tf.variable(tf.ones([2])) };
      const weights = { gamma: tf.ones([2]), beta: tf.zeros([2]) };
      const x = tf.tensor2d([1, 1, 2, 2, spoiler, 3], [3, 2]);
      const y = batchNormTraining(x, weights, running, { epsilon: 1e-5, momentum: 0.1 });
      const isLost = [...y.dataSync()].map(Number.isNaN);
      t.deepEqual(isLost, [true, false, true, false, true, false]);
      const [lost, kept] = running.variance.dataSync();
      t.deepEqual([Number.isNaN(lost), Number.isFinite(kept)], [true, true]);
    });
  }

  test.serial(`${engine}: a running statistic that is shared with a snapshot changes alone`, async t => {
    await tf.setBackend(engine);
    const running = { mean: tf.variable(tf.zeros([2])), variance: tf.variable(tf.ones([2])) };
    const snapshot = tf.clone(running.mean);
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    tf.dispose(
      batchNormTraining(x, { gamma: tf.ones([2]), beta: tf.zeros([2]) }, running, {
        epsilon: 1e-5,
        momentum: 0.5,
      }),
    );
    t.deepEqual([...running.mean.dataSync()], [1, 1.5]);
    t.deepEqual([...snapshot.dataSync()], [0, 0]);
  });
}

function compare(t: ExecutionContext, { shape, epsilon, momentum, steps, inference }: Reference): void {
  const before = tf.memory().numTensors;
  const channels = shape.at(-1)!;
  const size = tf.util.sizeFromShape(shape);
  const numbers = (of: number, phase: number) => noise(of, 1, phase);
  const running = tf.tidy(() => ({
    mean: tf.variable(tf.tensor1d(numbers(channels, 1))),
    variance: tf.variable(tf.tensor1d(numbers(channels, 2).map(value => value + 1.5))),
  }));
  const weights = { gamma: tf.tensor1d(numbers(channels, 3)), beta: tf.tensor1d(numbers(channels, 4)) };
  const x = tf.tensor(numbers(size, 5), shape);
  const check = (what: string, actual: tf.Tensor, expected: number[]) =>
    within(t, what, actual.dataSync(), expected, { tolerance: 2e-5, scale: largest(expected) });
  steps.forEach((step, index) => {
    tf.tidy(() => {
      const input = tf.add(tf.mul(x, index + 1), index); // moves the statistics
      const forward = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) =>
        batchNormTraining(x, { gamma, beta }, running, { epsilon, momentum });
      const dy = tf.tensor(numbers(size, 10 + index), shape);
      const { value, grads } = tf.valueAndGrads(forward)([input, weights.gamma, weights.beta], dy);
      check('y', value, step.y);
      check('dx', grads[0]!, step.dx);
      check('dgamma', grads[1]!, step.dgamma);
      check('dbeta', grads[2]!, step.dbeta);
    });
    check('running mean', running.mean, step.mean);
    check('running variance', running.variance, step.variance);
  });
  tf.tidy(() => check('inference', batchNormInference(x, weights, running, { epsilon }), inference));
  tf.dispose([x, weights.gamma, weights.beta, running.mean, running.variance]);
  t.is(tf.memory().numTensors, before);
}

test('vectors of another length and a single value per channel are refused', t => {
  const running = { mean: tf.variable(tf.zeros([3])), variance: tf.variable(tf.ones([3])) };
  const weights = { gamma: tf.ones([3]), beta: tf.zeros([3]) };
  const options = { epsilon: 1e-5, momentum: 0.1 };
  t.throws(() => batchNormTraining(tf.zeros([4, 2]), weights, running, options), {
    instanceOf: ShapeError,
    message: /gamma must be \[2\] for x \[4, 2\], got \[3\]/,
  });
  t.throws(() => batchNormTraining(tf.zeros([1, 1, 1, 3]), weights, running, options), {
    instanceOf: ShapeError,
    message: /more than one value per channel, got x \[1, 1, 1, 3\]; use a larger batch/,
  });
});
