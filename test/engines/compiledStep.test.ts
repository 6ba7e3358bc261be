import { createHash } from 'node:crypto';
import test from 'ava';
import { CompiledStep } from '../../src/engines/compiledStep.js';
import { datasets, engine, pau, tf, train, zoo } from '../../src/index.js';
import { batchNormTraining } from '../../src/ops/batchNorm.js';
import { nextKey } from '../../src/ops/nextKey.js';
import { pade } from '../../src/ops/pade.js';
import { bytePixels } from '../../src/ops/pixels.js';
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
          activations: { clipNorm: 0.1 },
          weightDecay: 1e-4,
          labelSmoothing: 0.1,
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

torchTest(
  'so do 50 steps with RPAU and fresh weights on the way, while others hold and use the old ones',
  async t => {
    const results = [];
    for (const compile of ['auto', 'never'] as const) {
      const model = zoo.lenet({ activation: 'rpau', seed: 3 });
      const held: tf.Tensor[] = [];
      const recipe = {
        epochs: 1,
        batchSize: 16,
        schedule: 'cosine',
        clipNorm: 5,
        weightDecay: 1e-4,
      } as const;
      let steps = 0;
      for await (const event of train(model, { data: datasets.fashionMnist(), ...recipe, compile })) {
        if (event.type !== 'step') continue;
        if (++steps === 50) break;
        if (steps === 10) held.push(...model.getWeights().map(weight => weight.clone()));
        if (steps !== 6 && steps !== 20) continue;
        const fresh = model
          .getWeights()
          .map(weight => tf.tensor(weight.dataSync(), weight.shape, weight.dtype));
        model.setWeights(fresh);
        tf.dispose(fresh);
        tf.dispose(model.predict(tf.zeros([2, 32, 32, 1])));
      }
      results.push(model.getWeights().map(weight => [...weight.dataSync()]));
      tf.dispose(held);
      model.dispose();
    }
    t.deepEqual(results[0], results[1]);
  },
);

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

torchTest('nor can one that makes numbers of bytes, which may be others the next time', t => {
  const bytes = Uint8Array.of(1);
  const step = new CompiledStep(([x]) => [tf.mul(x!, tf.sum(bytePixels(bytes, [1, 1, 1, 1])))]);
  const results = scalars(2, 2, 2).map(given => {
    const [result] = step.run(given)[0]!.dataSync();
    bytes[0]!++;
    return result;
  });
  t.deepEqual(results, [2, 4, 6]);
  t.regex(step.reason!, /takes bytes from JavaScript/);
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

torchTest(
  'inputs that are one tensor, or a variable, while others are recorded may be different ones later',
  t => {
    const weight = tf.variable(tf.scalar(5));
    const twins = new CompiledStep(([a, b]) => [tf.sub(a!, b!)]);
    const both = new CompiledStep(([a]) => [tf.sub(a!, weight)]);
    const x = tf.scalar(5);
    for (let i = 0; i < 3; i++) {
      t.is(twins.run([x, x])[0]!.dataSync()[0], 0);
      t.is(both.run([tf.clone(weight)])[0]!.dataSync()[0], 0);
      t.regex(both.reason!, /input 0 is a variable or another input/);
    }
    for (let i = 0; i < 3; i++) {
      t.is(twins.run([x, tf.scalar(i)])[0]!.dataSync()[0], 5 - i);
      t.is(both.run([tf.scalar(i)])[0]!.dataSync()[0], i - 5);
    }
    t.deepEqual([twins.mode, twins.reason, both.mode], ['replaying', undefined, 'replaying']);
    t.is(both.run([weight])[0]!.dataSync()[0], 0);
    weight.dispose();
  },
);

torchTest('two variables with the same data stay two', t => {
  const [source, copy] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(1))];
  const step = new CompiledStep(([x]) => {
    source.assign(tf.add(source, x!) as tf.Scalar);
    copy.assign(source);
    return [tf.mul(source, 1)];
  });
  t.is(modesOf(step, scalars(1, 1, 1, 1)).at(-1), 'replaying');
  source.assign(tf.scalar(100));
  t.is(step.run([tf.scalar(1)])[0]!.dataSync()[0], 101);
  t.is(copy.dataSync()[0], 101);
  step.dispose();
  tf.dispose([source, copy]);
});

for (const [dtype, start, next] of [
  ['int32', 0, (count: tf.Tensor) => tf.add(count, tf.scalar(1, 'int32'))],
  ['bool', 0, (count: tf.Tensor) => tf.logicalNot(count)],
] as const) {
  torchTest(`a snapshot of a variable of ${dtype} keeps its value when the step is replayed`, t => {
    const variable = tf.variable(tf.scalar(start, dtype));
    const step = new CompiledStep(() => {
      variable.assign(next(variable) as tf.Scalar);
      return [];
    });
    for (let i = 0; i < 4; i++) step.run([]);
    const before = variable.dataSync()[0];
    const snapshot = tf.clone(variable);
    step.run([]);
    t.is(step.mode, 'replaying');
    t.is(snapshot.dataSync()[0], before);
    t.not(variable.dataSync()[0], before);
    step.dispose();
    variable.dispose();
  });
}

torchTest('a compiled step may be part of another, or of what a gradient is taken of', t => {
  const inner = new CompiledStep(([x]) => [tf.square(x!)]);
  const outer = new CompiledStep(([x]) => [tf.add(inner.run([x!])[0]!, 1)]);
  t.deepEqual(
    [1, 2, 3, 4].map(x => outer.run([tf.scalar(x)])[0]!.dataSync()[0]),
    [2, 5, 10, 17],
  );
  t.is(outer.mode, 'replaying');
  const slope = tf.grad((x: tf.Tensor) => inner.run([x])[0]!);
  for (const x of [1, 2, 3, 4]) {
    t.is(inner.run([tf.scalar(x)])[0]!.dataSync()[0], x * x);
    t.is(slope(tf.scalar(x)).dataSync()[0], 2 * x);
    t.regex(inner.reason!, /a gradient is taken through it/);
  }
});

torchTest(
  'a variable that another tensor shares keeps that apart when the engine was another one in between',
  async t => {
    await engine.use('cpu');
    const moved = tf.variable(tf.tensor1d([1, 2], 'int32'));
    const snapshot = tf.clone(moved);
    await engine.use('torch');
    tf.dispose(nextKey(moved));
    t.deepEqual([...snapshot.dataSync()], [1, 2]);
    t.deepEqual([...moved.dataSync()], [1, 3]);
    moved.dispose();
  },
);

for (const [name, between] of [
  ['reads the running mean in between', 'statistics'],
  ['normalises again with the same statistics in between', 'normalisation'],
  ['uses what lies between as well', 'residual'],
  ['has coefficients per channel', 'channels'],
] as const) {
  torchTest(`a batch normalisation before a Padé that ${name} is the same replayed, bit for bit`, t => {
    const results = (['auto', 'never'] as const).map(compilation => {
      const running = { mean: tf.variable(tf.zeros([3])), variance: tf.variable(tf.ones([3])) };
      const row = [0.1, 0.9, 0.4];
      const [gamma, beta, a, b] = [tf.ones([3]), tf.zeros([3]), tf.tensor1d(row), tf.tensor1d([0.3, 0.2])];
      const rows = tf.tensor2d([row, [0.2, 0.8, 0.1], [0, 1, 0]]);
      const denominators = tf.tensor2d([0.3, 0.1, 0.2, 0, 0, 0.4], [3, 2]);
      const normalised = (x: tf.Tensor) =>
        batchNormTraining(x, { gamma, beta }, running, { epsilon: 1e-5, momentum: 0.1 });
      const step = new CompiledStep(([x]) => {
        const seen: tf.Tensor[] = [];
        const [dx] = tf.grads((x: tf.Tensor) => {
          const z = normalised(x);
          if (between === 'statistics') seen.push(tf.keep(tf.add(running.mean, 1)));
          if (between === 'normalisation') {
            const second = pade(normalised(tf.mul(x, 3)), a, b); // before the first one's Padé
            return tf.add(pade(z, a, b), second);
          }
          const y = between === 'channels' ? pade(z, rows, denominators) : pade(z, a, b);
          return between === 'residual' ? tf.add(y, z) : y;
        })([x!], tf.add(x!, 1));
        return [dx!, ...seen];
      }, compilation);
      const numbers = [1, 2, 3, 4, 5].map(seed => {
        const outputs = step.run([tf.randomNormal([50, 3], seed, 2, 'float32', seed)]);
        return outputs.map(output => [...output.dataSync()]);
      });
      t.is(step.mode, compilation === 'auto' ? 'replaying' : 'eager');
      return [numbers, [...running.mean.dataSync()], [...running.variance.dataSync()]];
    });
    t.deepEqual(results[0], results[1]);
  });
}
