/** Cases for kernels: what tfjs's own cpu backend says that the torch engine's must. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers'; // registers tfjs's gradients
import type { ExecutionContext } from 'ava';
import { uniform } from '../../src/random.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';

/**
 * Every kernel against tfjs's own cpu backend: plain JavaScript, written by other people. Relative to the largest finite
 * element of each result.
 */
const TOLERANCE = 1e-5;

type Operation = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

export interface Input {
  readonly values: tf.TypedArray | number[];
  readonly shape: number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
}

interface Case {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly operation: Operation;
  /** Compare the gradients by all inputs as well. */
  readonly gradients: 'compared' | 'none';
}

const cases: Case[] = [];

/** A case whose results are compared. */
export function add(name: string, inputs: readonly Input[], operation: Operation): void {
  cases.push({ name, inputs, operation, gradients: 'none' });
}

/** A case whose gradients by all inputs are compared as well. */
export function addWithGradients(name: string, inputs: readonly Input[], operation: Operation): void {
  cases.push({ name, inputs, operation, gradients: 'compared' });
}

let draws = 0;
export function random(shape: number[], low = -2, high = 2): Input {
  const values = uniform(new Float32Array(tf.util.sizeFromShape(shape)), { low, high }, 11, 'input', draws++);
  return { values, shape, dtype: 'float32' };
}

export function whole(values: number[], shape: number[] = [values.length]): Input {
  return { values, shape, dtype: 'int32' };
}

export function truth(values: number[], shape: number[] = [values.length]): Input {
  return { values, shape, dtype: 'bool' };
}

export function numbers(...values: number[]): Input {
  return { values, shape: [values.length], dtype: 'float32' };
}

interface Outcome {
  readonly shape: number[];
  readonly dtype: string;
  readonly values: ArrayLike<number>;
}

function outcome(tensor: tf.Tensor): Outcome {
  return { shape: tensor.shape, dtype: tensor.dtype, values: tensor.dataSync() };
}

function listed(result: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
  return Array.isArray(result) ? result : [result];
}

async function runOn(backend: string, { inputs, operation, gradients }: Case): Promise<Outcome[]> {
  await tf.setBackend(backend);
  const scope = tf.engine();
  scope.startScope();
  try {
    const tensors = inputs.map(({ values, shape, dtype }) => tf.tensor(values, shape, dtype));
    const results = listed(operation(...tensors));
    if (gradients === 'none') return results.map(outcome);
    const weighted = (...given: tf.Tensor[]) =>
      tf.addN(
        listed(operation(...given)).map((y, i) => {
          const weights = uniform(new Float32Array(y.size), { low: -1, high: 1 }, 12, 'weights', i);
          return tf.sum(tf.mul(y, tf.tensor(weights, y.shape)));
        }),
      );
    return [...results, ...tf.grads(weighted)(tensors)].map(outcome);
  } finally {
    scope.endScope();
  }
}

function compare(t: ExecutionContext, index: number, actual: Outcome, expected: Outcome): void {
  t.deepEqual(actual.shape, expected.shape, `shape of result ${index}`);
  t.is(actual.dtype, expected.dtype, `dtype of result ${index}`);
  const finite: number[] = [];
  const wanted: number[] = [];
  let most = 0;
  Array.from(expected.values).forEach((value, i) => {
    if (!Number.isFinite(value)) {
      t.is(actual.values[i], value, `result ${index}[${i}]`);
      return;
    }
    finite.push(actual.values[i]!);
    wanted.push(value);
    // A huge element must not hide the others.
    if (Math.abs(value) < 1e10) most = Math.max(most, Math.abs(value));
  });
  const scale = wanted.map(value => Math.max(most, Math.abs(value)));
  within(t, `result ${index}`, finite, wanted, { tolerance: TOLERANCE, scale });
}

/** Declares the tests of all cases that were added. */
export function testCases(): void {
  for (const each of cases) {
    const title = `${each.name}: the cpu backend's result${each.gradients === 'compared' ? ' and gradients' : ''}`;
    torchTest(title, async t => {
      const expected = await runOn('cpu', each);
      const actual = await runOn('torch', each);
      t.is(actual.length, expected.length);
      actual.forEach((result, i) => {
        compare(t, i, result, expected[i]!);
      });
    });
  }
}
