/** The gradients of ReLU and its family on the torch engine: once and twice. */
import test from 'ava';
import { engine, tf } from '../../src/index.js';
import { torchTest } from '../support/engine.js';

test.before(() => engine.ready());

const INPUTS = [-7, -1, -0, 0, 1e-30, 0.5, 5.9, 6.5, 1e4];
const ACTIVATIONS = {
  relu: { of: (x: tf.Tensor) => tf.relu(x), slope: (x: number) => Number(x > 0) },
  relu6: { of: (x: tf.Tensor) => tf.relu6(x), slope: (x: number) => Number(x > 0 && x < 6) },
  leakyRelu: { of: (x: tf.Tensor) => tf.leakyRelu(x, 0.25), slope: (x: number) => (x > 0 ? 1 : 0.25) },
};

for (const [name, { of, slope }] of Object.entries(ACTIVATIONS)) {
  torchTest(
    `${name}: the first derivative, and the second, through which gradients pass to what is behind`,
    async t => {
      await tf.setBackend('torch');
      const x = tf.tensor1d(INPUTS);
      const first = tf.grad(of);
      t.deepEqual([...first(x).dataSync()], INPUTS.map(slope));
      t.deepEqual(
        [...tf.grad(first)(x).dataSync()],
        INPUTS.map(() => 0),
      );
      // The derivative of f(x)²/2 is f·f', and that one's is f'² for a function of straight pieces.
      const half = tf.grad(each => tf.mul(0.5, tf.square(of(each))));
      t.deepEqual(
        [...tf.grad(half)(x).dataSync()],
        INPUTS.map(value => slope(value) ** 2),
      );
    },
  );
}
