/** A little training by hand, the same in every thread: its numbers tell whether two threads disturb each other. */
import * as tf from '@tensorflow/tfjs-core';
import { CompiledStep, engine, pade } from '../../src/index.js';
import { noise } from '../support/fixture.js';

/**
 * Sums of gradients, step by step, of steps as they are and of the same steps compiled; last, the native tensors that are
 * left. The torch engine must be running.
 */
export function checksum(steps: number): number[] {
  const before = engine.memory().tensors;
  const compiled = new CompiledStep(inputs => [gradientSum(inputs)]);
  const sums: number[] = [];
  for (let step = 0; step < steps; step++) {
    tf.tidy(() => {
      const x = tf.tensor4d(noise(4 * 12 * 12 * 3, 1, step), [4, 12, 12, 3]);
      const filter = tf.tensor4d(noise(3 * 3 * 3 * 8, 1, step + 0.5), [3, 3, 3, 8]);
      sums.push(gradientSum([x, filter]).dataSync()[0]!);
      sums.push(compiled.run([x, filter])[0]!.dataSync()[0]!);
    });
  }
  if (steps > 2 && compiled.mode !== 'replaying') throw new Error(`not compiled: ${compiled.reason}`);
  compiled.dispose();
  return [...sums, engine.memory().tensors - before];
}

function gradientSum(inputs: readonly tf.Tensor[]): tf.Tensor {
  const [x, filter] = inputs as [tf.Tensor4D, tf.Tensor4D];
  const loss = (weights: tf.Tensor) =>
    tf.sum(
      pade(tf.conv2d(x, weights as tf.Tensor4D, 1, 'same'), [0.03, 0.5, 1.6, 2, 0.9, 0.15], [0, 4, 0, 0.3]),
    );
  return tf.sum(tf.grad(loss)(filter));
}
