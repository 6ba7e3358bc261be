import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { CompiledStep } from '../../src/engines/compiledStep.js';
import { KeyedDropout } from '../../src/layers/dropout.js';
import { torchTest } from '../support/engine.js';

const SIZE = 40_000;

function network(options: { name?: string; rate?: number; seed?: number } = {}) {
  const { name = 'dropout', rate = 0.2, seed = 1 } = options;
  const input = layers.input({ shape: [SIZE] });
  const output = new KeyedDropout({ name, rate, seed }).apply(input) as layers.SymbolicTensor;
  return layers.model({ inputs: input, outputs: output });
}

const step = (model: layers.LayersModel, x: tf.Tensor) =>
  tf.tidy(() => (model.apply(x, { training: true }) as tf.Tensor).dataSync());

test.serial('elements are 0 as often as the rate says, or are divided by what is kept', t => {
  const model = network();
  const y = step(model, tf.fill([1, SIZE], 3));
  const zeros = y.filter(value => value === 0).length;
  t.true(y.every(value => value === 0 || Math.abs(value - 3 / 0.8) < 1e-6));
  // binomial: five standard deviations
  t.true(Math.abs(zeros / SIZE - 0.2) < 5 * Math.sqrt((0.2 * 0.8) / SIZE), String(zeros));
  model.dispose();
});

test.serial('at inference nothing is dropped', t => {
  const model = network();
  const x = tf.randomNormal([1, SIZE], 0, 1, 'float32', 2);
  t.deepEqual((model.predict(x) as tf.Tensor).dataSync(), x.dataSync());
  model.dispose();
});

test.serial(
  'the seed and the name choose the draws, each step has its own, and weights keep the place',
  t => {
    const x = tf.ones([1, SIZE]);
    const [one, same, seeded, named] = [
      network(),
      network(),
      network({ seed: 2 }),
      network({ name: 'other' }),
    ];
    const first = step(one, x);
    t.deepEqual(step(same, x), first);
    t.notDeepEqual(step(seeded, x), first);
    t.notDeepEqual(step(named, x), first);
    const saved = one.getWeights().map(weight => weight.clone());
    const second = step(one, x);
    t.notDeepEqual(second, first);
    seeded.setWeights(saved);
    t.deepEqual(step(seeded, x), second);
    t.is(one.trainableWeights.length, 0);
  },
);

test.serial('the gradient is 0 where the element was dropped, 1 / (1 - rate) elsewhere', t => {
  const model = network({ rate: 0.5 });
  const x = tf.ones([1, SIZE]);
  let y: tf.Tensor | undefined;
  const dx = tf.grad(given => {
    y = tf.keep(model.apply(given, { training: true }) as tf.Tensor);
    return tf.sum(y);
  })(x);
  t.deepEqual(dx.dataSync(), y!.dataSync()); // of ones: the factors themselves
  t.deepEqual([...new Set(dx.dataSync())].sort(), [0, 2]);
  y!.dispose();
  model.dispose();
});

torchTest('a replayed step drops other elements each time, as the step that runs as it is written', t => {
  const x = tf.ones([1, SIZE]);
  const runs = (['auto', 'never'] as const).map(compilation => {
    const model = network();
    const compiled = new CompiledStep(
      ([images]) => [(model.apply(images!, { training: true }) as tf.Tensor).clone()],
      compilation,
    );
    const results = Array.from({ length: 6 }, () => compiled.run([x])[0]!.dataSync());
    const { mode } = compiled;
    compiled.dispose();
    return { mode, results };
  });
  t.deepEqual(
    runs.map(({ mode }) => mode),
    ['replaying', 'eager'],
  );
  t.deepEqual(runs[0]!.results, runs[1]!.results);
  t.is(new Set(runs[0]!.results.map(values => values.join(''))).size, 6);
});
