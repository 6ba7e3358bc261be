import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import { adamStep, sgdStep, type Updates } from '../../src/ops/optimizerStep.js';
import { largest, within } from '../support/closeness.js';
import { hasTorch, torchTest } from '../support/engine.js';
import { fixture, noise } from '../support/fixture.js';

const { shapes, steps, results } = fixture<{
  shapes: number[][];
  steps: number;
  results: Record<string, number[][]>;
}>('optimizers');

interface Variant {
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly sgd?: { momentum: number; nesterov: boolean };
  readonly adam?: { beta1: number; beta2: number; epsilon: number; decoupled: boolean };
}

const torchDefaults = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** As scripts/make-fixtures.py configures torch.optim. */
const VARIANTS: Record<string, Variant> = {
  sgd: { learningRate: 0.05, weightDecay: 0, sgd: { momentum: 0, nesterov: false } },
  'sgd momentum': { learningRate: 0.05, weightDecay: 0.01, sgd: { momentum: 0.9, nesterov: false } },
  'sgd nesterov': { learningRate: 0.05, weightDecay: 0.01, sgd: { momentum: 0.9, nesterov: true } },
  adam: {
    learningRate: 0.01,
    weightDecay: 0,
    adam: { beta1: 0.8, beta2: 0.99, epsilon: 1e-6, decoupled: false },
  },
  'adam coupled': { learningRate: 0.01, weightDecay: 0.1, adam: { ...torchDefaults, decoupled: false } },
  'adam decoupled': { learningRate: 0.01, weightDecay: 0.1, adam: { ...torchDefaults, decoupled: true } },
};

/** The variables after all steps, in the running engine. */
function descend({ learningRate, weightDecay, sgd, adam }: Variant): Float32Array[] {
  const sizeOf = (shape: number[]) => tf.util.sizeFromShape(shape);
  const starting = (values: (shape: number[], i: number) => tf.Tensor) =>
    tf.tidy(() => shapes.map((shape, i) => tf.variable(values(shape, i))));
  const zeros = () => starting(shape => tf.zeros(shape));
  const variables = starting((shape, i) => tf.tensor(noise(sizeOf(shape), 1, i), shape));
  const moments = [sgd?.momentum === 0 ? [] : zeros(), zeros()] as const;
  const rate = tf.scalar(learningRate);
  const count = tf.tidy(() => tf.variable(tf.scalar(0, 'int32'), false));
  for (let step = 0; step < steps; step++) {
    const updates: Updates = {
      variables,
      gradients: shapes.map((shape, i) => tf.tensor(noise(sizeOf(shape), 0.5, 10 * step + i), shape)),
      learningRate: rate,
      rateFactors: shapes.map(() => 1),
      weightDecays: shapes.map(() => weightDecay),
    };
    if (sgd) sgdStep(updates, { ...sgd, velocities: moments[0] });
    if (adam) {
      adamStep(updates, { ...adam, step: count, firstMoments: moments[0], secondMoments: moments[1] });
    }
    tf.dispose([...updates.gradients]);
  }
  const values = variables.map(variable => variable.dataSync() as Float32Array);
  tf.dispose([...variables, ...moments.flat(), rate, count]);
  return values;
}

for (const [engineName, on] of [
  ['torch', torchTest],
  ['cpu', test.serial],
] as const) {
  for (const [name, variant] of Object.entries(VARIANTS)) {
    on(`${engineName}: ${steps} steps of ${name} end where torch.optim ends in float64`, async t => {
      await tf.setBackend(engineName);
      const before = tf.memory().numTensors;
      const variables = descend(variant);
      variables.forEach((values, i) => {
        const expected = results[name]![i]!;
        within(t, `variable ${i}`, values, expected, { tolerance: 1e-6, scale: largest(expected) });
      });
      t.is(tf.memory().numTensors, before);
    });
  }
}

torchTest('a step changes neither a view nor a clone of a variable', async t => {
  await tf.setBackend('torch');
  const variable = tf.variable(tf.tensor([1, 2, 3, 4]));
  const [view, clone, part] = [tf.reshape(variable, [2, 2]), tf.clone(variable), tf.slice(variable, 1, 2)];
  const gradient = tf.ones([4]);
  const update: Updates = {
    variables: [variable],
    gradients: [gradient],
    learningRate: tf.scalar(1),
    rateFactors: [1],
    weightDecays: [0],
  };
  sgdStep(update, { momentum: 0, nesterov: false, velocities: [] });
  t.deepEqual([...variable.dataSync()], [0, 1, 2, 3]);
  t.deepEqual([...view.dataSync()], [1, 2, 3, 4]);
  t.deepEqual([...clone.dataSync()], [1, 2, 3, 4]);
  t.deepEqual([...part.dataSync()], [2, 3]);
  tf.dispose([variable, view, clone, part, gradient]);
});

torchTest('a variable that was made from a transposed tensor takes a step like any other', async t => {
  await tf.setBackend('torch');
  const variable = tf.tidy(() =>
    tf.variable(
      tf.transpose(
        tf.tensor2d([
          [1, 2],
          [3, 4],
        ]),
      ),
    ),
  );
  const gradient = tf.tensor2d([
    [1, 0],
    [0, 2],
  ]);
  sgdStep(
    {
      variables: [variable],
      gradients: [gradient],
      learningRate: tf.scalar(0.5),
      rateFactors: [1],
      weightDecays: [0],
    },
    { momentum: 0, nesterov: false, velocities: [] },
  );
  t.deepEqual([...variable.dataSync()], [0.5, 3, 2, 3]);
  tf.dispose([variable, gradient]);
});

test.after.always(async () => {
  if (hasTorch) await tf.setBackend('torch');
});
