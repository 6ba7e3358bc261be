import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import { OptionsError, ShapeError, softmaxCrossEntropy } from '../../src/index.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';

const LOGITS = [
  [1, -2, 0.5],
  [100, 0, -100],
  [0, 0, 0],
  [-1000, 1000, 0],
];
const LABELS = [2, 0, 1, 1];

/** The definition, row by row in float64: mean of -Σ q·(x - log Σ exp x), and (softmax - q) / n, with q = (1 - ε)·one hot + ε/3. */
function byDefinition(labelSmoothing: number) {
  let loss = 0;
  const gradient: number[] = [];
  LOGITS.forEach((row, i) => {
    const top = Math.max(...row);
    const sum = row.reduce((total, x) => total + Math.exp(x - top), 0);
    row.forEach((x, k) => {
      const target = (k === LABELS[i] ? 1 - labelSmoothing : 0) + labelSmoothing / row.length;
      loss += (target * (Math.log(sum) - (x - top))) / LOGITS.length;
      gradient.push((Math.exp(x - top) / sum - target) / LOGITS.length);
    });
  });
  return { loss, gradient };
}

for (const [engineName, on] of [
  ['torch', torchTest],
  ['cpu', test.serial],
  ['wasm', test.serial],
] as const) {
  for (const labelSmoothing of [0, 0.1, 0.9]) {
    on(
      `${engineName}: with smoothing ${labelSmoothing}, loss and gradient are the definition's, for large logits too`,
      async t => {
        await tf.setBackend(engineName);
        const { loss, gradient } = byDefinition(labelSmoothing);
        const labels = tf.tensor1d(LABELS, 'int32');
        const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
          softmaxCrossEntropy(x as tf.Tensor2D, labels, { labelSmoothing }),
        )(tf.tensor2d(LOGITS));
        within(t, 'loss', value.dataSync(), [loss], { tolerance: 1e-6, scale: loss });
        within(t, 'gradient', grad.dataSync(), gradient, { tolerance: 1e-6, scale: 1 });
      },
    );
  }
}

torchTest('a label that cannot be has an infinite loss, smoothed or not', async t => {
  await tf.setBackend('torch');
  const logits = tf.tensor2d([[0, Number.NEGATIVE_INFINITY]]);
  for (const labelSmoothing of [0, 0.1])
    t.is(softmaxCrossEntropy(logits, tf.tensor1d([1], 'int32'), { labelSmoothing }).dataSync()[0], Infinity);
});

test('a smoothing that is no share is refused', t => {
  const logits = tf.zeros([1, 3]) as tf.Tensor2D;
  for (const labelSmoothing of [-0.1, 1, Number.NaN]) {
    t.throws(() => softmaxCrossEntropy(logits, tf.tensor1d([0], 'int32'), { labelSmoothing }), {
      instanceOf: OptionsError,
      message: `softmaxCrossEntropy: labelSmoothing must be at least 0 and less than 1, got ${labelSmoothing}`,
    });
  }
});

test('labels that do not fit the logits are refused with both shapes', t => {
  const logits = tf.zeros([2, 3]) as tf.Tensor2D;
  t.throws(() => softmaxCrossEntropy(logits, tf.tensor1d([0, 1, 2], 'int32')), {
    instanceOf: ShapeError,
    message: /\[2, 3\] and \[3\]/,
  });
});

test.serial('labels may be made inside the function that a gradient is taken of', t => {
  const loss = (logits: tf.Tensor) =>
    softmaxCrossEntropy(logits as tf.Tensor2D, tf.tensor1d([1, 0], 'int32')) as tf.Tensor;
  const slope = tf.grad(loss)(tf.zeros([2, 2]));
  t.deepEqual([...slope.dataSync()], [0.25, -0.25, -0.25, 0.25]);
});
