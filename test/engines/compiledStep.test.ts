import { createHash } from 'node:crypto';
import test from 'ava';
import { CompiledStep } from '../../src/engines/compiledStep.js';
import { datasets, engine, pau, tf, train, zoo } from '../../src/index.js';
import { torchTest } from '../support/engine.js';

test.before(() => engine.ready());

const MODES_OF_FIVE = ['recording', 'replaying', 'replaying', 'replaying', 'replaying'];

/** Runs a step over inputs and tells how each call ran (what comes next, after it). */
function modesOf(step: CompiledStep, inputs: readonly (readonly tf.Tensor[])[]): (string | undefined)[] {
  return inputs.map(given => {
    tf.dispose(step.run(given));
    return step.mode;
  });
}

const scalars = (...values: number[]) => values.map(value => [tf.scalar(value)]);

for (const optimizer of ['adam', { name: 'sgd', momentum: 0.9, acceleration: 'nesterov' }] as const) {
  const name = typeof optimizer === 'string' ? optimizer : optimizer.name;
  torchTest(
    `50 steps of ${name} with a falling rate end in the same weights, bit for bit, compiled or not`,
    async t => {
      const digests = [];
      for (const compile of ['auto', 'never'] as const) {
        const model = zoo.lenet({ activation: pau(), seed: 3 });
        const recipe = {
          optimizer,
          epochs: 1,
          batchSize: 32,
          schedule: 'cosine',
          clipNorm: 5,
          weightDecay: 1e-4,
        } as const;
        let steps = 0;
        for await (const event of train(model, { data: datasets.fashionMnist(), ...recipe, compile }))
          if (event.type === 'step' && ++steps === 50) break;
        const digest = createHash('sha256');
        for (const weight of model.getWeights()) digest.update(new Uint8Array(weight.dataSync().buffer));
        digests.push(digest.digest('hex'));
        model.dispose();
      }
      t.is(digests[0], digests[1]);
    },
  );
}

torchTest('a step is replayed from the third call on, and other shapes are recorded anew', t => {
  const step = new CompiledStep(([x]) => [tf.mul(tf.add(x!, 1), 2)]);
  t.deepEqual(modesOf(step, scalars(1, 2, 3, 4, 5)), MODES_OF_FIVE);
  t.deepEqual([...step.run([tf.scalar(20)])[0]!.dataSync()], [42]);
  t.deepEqual([...step.run([tf.tensor1d([1, 2])])[0]!.dataSync()], [4, 6]);
  t.is(step.mode, 'recording');
  step.dispose();
});

torchTest(
  'a number that changes from call to call is never frozen: the step stays as it is, and says why',
  t => {
    let count = 0;
    const step = new CompiledStep(([x]) => [tf.mul(x!, tf.scalar(++count))]);
    const results = scalars(1, 1, 1, 1, 1, 1).map(given => step.run(given)[0]!.dataSync()[0]);
    t.deepEqual(results, [1, 2, 3, 4, 5, 6]);
    t.is(step.mode, 'eager');
    t.regex(step.reason!, /no input of it.*mul\.Tensor.*changed/);
  },
);

torchTest('so does an attribute that changes', t => {
  let count = 0;
  const step = new CompiledStep(([x]) => [tf.leakyRelu(x!, 0.1 * ++count)]);
  const results = scalars(-1, -1, -1, -1, -1).map(given => step.run(given)[0]!.dataSync()[0]!.toFixed(1));
  t.deepEqual(results, ['-0.1', '-0.2', '-0.3', '-0.4', '-0.5']);
  t.regex(step.reason!, /arguments of operator 0, leaky_relu, changed/);
});

torchTest('a step that reads a value back cannot be recorded, and says so', t => {
  const step = new CompiledStep(([x]) => [tf.mul(x!, x!.dataSync()[0]!)]);
  const results = scalars(2, 3, 4).map(given => step.run(given)[0]!.dataSync()[0]);
  t.deepEqual(results, [4, 9, 16]);
  t.is(step.mode, 'eager');
  t.regex(step.reason!, /reads values back/);
});

torchTest(
  'variables are read and changed as in a step that is not compiled, whoever else changes or holds them',
  t => {
    const total = tf.variable(tf.scalar(0));
    const step = new CompiledStep(([x]) => {
      total.assign(tf.add(total, x!) as tf.Scalar);
      return [tf.mul(total, 10)];
    });
    t.deepEqual(modesOf(step, scalars(1, 1, 1)), ['recording', 'replaying', 'replaying']);
    t.is(total.dataSync()[0], 3);
    total.assign(tf.scalar(100));
    const snapshot = tf.clone(total);
    t.is(step.run([tf.scalar(5)])[0]!.dataSync()[0], 1050);
    t.is(total.dataSync()[0], 105);
    t.is(snapshot.dataSync()[0], 100);
    step.dispose();
    total.dispose();
  },
);

torchTest(
  'an operator that fails while it is replayed names itself and its shapes; the next call works',
  t => {
    const step = new CompiledStep(([x, indices]) => [tf.gather(x!, indices as tf.Tensor1D)]);
    const x = tf.tensor1d([10, 20, 30]);
    const at = (index: number) => step.run([x, tf.tensor1d([index], 'int32')])[0]!;
    t.deepEqual(
      [0, 1, 2].map(index => at(index).dataSync()[0]),
      [10, 20, 30],
    );
    t.is(step.mode, 'replaying');
    const error = t.throws(() => at(7).dataSync());
    t.regex(error.message, /aten::\w+\(/);
    t.is(at(1).dataSync()[0], 20);
    step.dispose();
  },
);

torchTest('recording, replaying and forgetting leave no tensor behind', t => {
  const before = { front: tf.memory().numTensors, native: engine.memory().tensors };
  tf.tidy(() => {
    const step = new CompiledStep(([x]) => [tf.add(tf.mul(x!, tf.scalar(3)), tf.scalar(4))]);
    for (let i = 0; i < 10; i++) t.is(step.run([tf.scalar(i)])[0]!.dataSync()[0], 3 * i + 4);
    t.is(step.mode, 'replaying');
    step.dispose();
  });
  t.deepEqual({ front: tf.memory().numTensors, native: engine.memory().tensors }, before);
});
