/** A replayed step lays its large temporaries out in one planned stretch of memory: same values, less memory. */
import test from 'ava';
import { CompiledStep } from '../../src/engines/compiledStep.js';
import { engine, pau, tf, zoo } from '../../src/index.js';
import { uniform } from '../../src/random.js';
import { Recipe } from '../../src/training/recipe.js';
import { TrainStep } from '../../src/training/trainStep.js';
import { torchTest } from '../support/engine.js';

test.before(() => engine.ready());

const MEBIBYTE = 2 ** 20;
/** One mebibyte of float32 that nothing else holds. */
const large = (value: number) => tf.fill([512, 512], value);

/** Six temporaries of a mebibyte, of which never more than three are alive; and one that outlives the step by a view. */
function chain([x]: readonly tf.Tensor[]): tf.Tensor[] {
  const parts = [1, 2, 3].map(term => tf.square(tf.add(x!, term)));
  const kept = tf.exp(tf.neg(parts[0]!));
  return [tf.sum(tf.addN(parts)), tf.slice(tf.transpose(kept), [0, 0], [2, 2])];
}

const expected = (value: number) => [
  2 ** 18 * ((value + 1) ** 2 + (value + 2) ** 2 + (value + 3) ** 2),
  Math.exp(-((value + 1) ** 2)),
];

function checkChain(
  t: { true(value: boolean, message: string): unknown },
  step: CompiledStep,
  value: number,
) {
  const outputs = tf.tidy(() => step.run([large(value)]));
  const [sum, view] = outputs.map(output => output.dataSync()[0]!);
  const wanted = expected(value);
  t.true(Math.abs(sum! / wanted[0]! - 1) < 1e-5, `${sum} for ${value}`);
  t.true(Math.abs(view! - wanted[1]!) < 1e-6, `${view} for ${value}`);
  return outputs;
}

torchTest('temporaries that do not live at the same time share memory from the second replay on', t => {
  const step = new CompiledStep(chain);
  for (let i = 0; i < 3; i++) tf.dispose(checkChain(t, step, i / 4));
  t.is(step.mode, 'replaying');
  t.deepEqual(step.replay?.reason, '');
  for (let i = 0; i < 5; i++) tf.dispose(checkChain(t, step, i / 4));
  const { plannedBytes, blockBytes } = step.replay!;
  t.true(plannedBytes >= 3 * MEBIBYTE, `${plannedBytes}`);
  t.true(plannedBytes < 0.75 * blockBytes, `${plannedBytes} of ${blockBytes}`);
  step.dispose();
});

torchTest('what a step returns is not overwritten by later runs, nor by what others allocate', t => {
  const step = new CompiledStep(chain);
  const values = Array.from({ length: 12 }, (_, i) => i / 8);
  const held = values.map(value => {
    const outputs = checkChain(t, step, value);
    tf.dispose(large(-1)); // written where the last run's temporaries were
    return outputs[1]!;
  });
  held.forEach((view, i) => {
    const wanted = expected(values[i]!)[1]!;
    t.true([...view.dataSync()].every(value => Math.abs(value - wanted) < 1e-6));
  });
  tf.dispose(held);
  step.dispose();
});

torchTest('a run that fails halfway leaves its memory in order', t => {
  const step = new CompiledStep(([x, index]) => {
    const left = tf.mul(x!, 2);
    const right = tf.gather(tf.add(x!, 1), index as tf.Tensor1D); // fails for an index that is out of range
    return [tf.add(tf.sum(left), tf.sum(right))];
  });
  const at = (index: number) =>
    tf.tidy(() => step.run([large(1), tf.tensor1d([index], 'int32')])[0]!.dataSync()[0]!);
  const sum = 2 * 2 ** 18 + 2 * 512;
  for (let i = 0; i < 5; i++) t.is(at(i), sum);
  t.true(step.replay!.plannedBytes > 0);
  t.throws(() => at(512), { message: /aten::\w+\(/ });
  for (let i = 0; i < 5; i++) t.is(at(i), sum);
  t.true(step.replay!.plannedBytes > 0, 'the plan stands');
  step.dispose();
});

torchTest('an input in another layout, which takes a copy more, does not shift what lies where', t => {
  const step = new CompiledStep(([x]) => {
    const turned = tf.reverse(tf.reshape(x!, [256, 1024]), 1); // both copy where x is not dense
    return [tf.sum(tf.add(turned, 1)), tf.sum(tf.mul(turned, 2))];
  });
  const dense = large(1);
  const strided = tf.transpose(dense);
  for (const x of [dense, dense, dense, dense, strided, strided, dense, strided, dense, dense]) {
    const sums = tf.tidy(() => step.run([x]).map(output => output.dataSync()[0]));
    t.deepEqual(sums, [2 ** 19, 2 ** 19]);
  }
  step.dispose();
});

torchTest('a network of many layers trains to the same weights, bit for bit, with planned memory', t => {
  const results = (['auto', 'never'] as const).map(compile => {
    const model = zoo.resnet18({ activation: pau(), seed: 3, width: 0.5 });
    const step = new TrainStep(model, Recipe.parse({}), compile);
    const images = tf.randomNormal<tf.Rank.R4>(
      [4, ...model.inputs[0]!.shape.slice(1)] as never,
      0,
      1,
      'float32',
      7,
    );
    const labels = tf.tensor1d([0, 3, 6, 9], 'int32');
    const losses = Array.from({ length: 6 }, () => step.run(images, labels, 0.002).loss);
    const planned = step.compiled.replay?.plannedBytes ?? 0;
    t.is(planned > MEBIBYTE, compile === 'auto', `${planned}`);
    const weights = model.getWeights().map(weight => tf.tidy(() => tf.sum(weight).dataSync()[0]!));
    tf.dispose([images, labels]);
    step.dispose();
    model.dispose();
    return { losses, weights };
  });
  t.deepEqual(results[0], results[1]);
});

const OPERATORS: readonly ((a: tf.Tensor, b: tf.Tensor) => tf.Tensor)[] = [
  (a, b) => tf.add(a, b),
  (a, b) => tf.mul(a, b),
  a => tf.tanh(a),
  a => tf.relu(a),
  a => tf.transpose(a),
  a => tf.reverse(a, 1),
  a => tf.reshape(tf.reshape(a, [64, 1024]), [256, 256]),
  (a, b) => tf.sub(a, tf.mean(b, 1, true)),
  a =>
    tf.pad(tf.slice(a, [1, 0], [255, 256]), [
      [0, 1],
      [0, 0],
    ]),
  (a, b) => tf.matMul(a, tf.mul(b, 1 / 256)),
];

/** A step of operators drawn by `seed`; some of its results outlive it. */
function randomStep(seed: number) {
  const draws = uniform(new Float32Array(60), { low: 0, high: 1 }, seed);
  return ([x]: readonly tf.Tensor[]): tf.Tensor[] => {
    const known = [x!];
    for (let i = 0; i < 20; i++) {
      const pick = (draw: number) => known[Math.floor(draw * known.length)]!;
      const operator = OPERATORS[Math.floor(draws[3 * i]! * OPERATORS.length)]!;
      known.push(operator(pick(draws[3 * i + 1]!), pick(draws[3 * i + 2]!)));
    }
    return [...known.slice(1).map(each => tf.sum(each)), known[7]!, known.at(-1)!];
  };
}

torchTest('steps drawn by chance give what they give uncompiled, whatever the layout of their input', t => {
  const values = tf.tensor2d(uniform(new Float32Array(2 ** 16), { low: -1, high: 1 }, 1), [256, 256]);
  const layouts = [
    values,
    tf.transpose(values),
    tf.slice(tf.concat([values, values], 1), [0, 7], [256, 256]),
  ];
  for (let seed = 0; seed < 30; seed++) {
    const run = randomStep(seed);
    const step = new CompiledStep(run);
    const held: [tf.Tensor, tf.Tensor][] = [];
    for (const layout of [0, 0, 0, 0, 1, 0, 2, 0, 0, 1, 1, 0]) {
      const given = layouts[layout]!;
      const wanted = tf.tidy(() => run([given]).map(output => output.clone()));
      step.run([given]).forEach((output, i) => {
        held.push([output, wanted[i]!]);
      });
    }
    for (const [output, wanted] of held) // all of them together: a later run must not have changed an earlier one's
      t.is(
        Buffer.compare(Buffer.from(output.dataSync().buffer), Buffer.from(wanted.dataSync().buffer)),
        0,
        `${seed}`,
      );
    tf.dispose(held);
    step.dispose();
  }
});
