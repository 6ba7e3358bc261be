import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type RecipeOptions, train, zoo } from '../../src/index.js';
import { Optimizer } from '../../src/training/optimizer.js';
import { Recipe } from '../../src/training/recipe.js';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { squares } from '../support/images.js';

const CLASSES = 4;
const lenet = (activation = 'pau') => zoo.lenet({ activation, classes: CLASSES, seed: 2 });
const weightsOf = (model: LayersModel) => model.getWeights().map(weight => Array.from(weight.dataSync()));

/** The variables before and after one step with gradients of 0: all that moves is what decay moves. */
function decayed(recipe: RecipeOptions) {
  const model = lenet();
  const optimizer = new Optimizer(model, Recipe.parse(recipe));
  const values = () => optimizer.variables.map(variable => Array.from(variable.dataSync()));
  const before = values();
  tf.tidy(() =>
    optimizer.apply(
      optimizer.variables.map(variable => tf.zerosLike(variable as tf.Tensor)),
      tf.scalar(0.1),
    ),
  );
  const after = values();
  const ratios = Object.fromEntries(
    optimizer.variables.map(({ name }, i) => [name.replace(/_\d+$/, ''), after[i]![0]! / before[i]![0]!]),
  );
  optimizer.dispose();
  model.dispose();
  return ratios;
}

torchTest('weight decay shrinks kernels, and neither biases nor activations', t => {
  const ratios = decayed({ optimizer: { name: 'sgd', momentum: 0 }, weightDecay: 0.5 });
  for (const [name, ratio] of Object.entries(ratios)) {
    // 1 - rate·decay
    t.true(Math.abs(ratio - (name.endsWith('kernel') ? 0.95 : 1)) < 1e-6, `${name}: ${ratio}`);
  }
});

torchTest('activations have a weight decay of their own', t => {
  const ratios = decayed({
    optimizer: { name: 'adam', decay: 'decoupled' },
    activations: { weightDecay: 0.2 },
  });
  for (const [name, ratio] of Object.entries(ratios)) {
    t.true(Math.abs(ratio - (name.startsWith('act') ? 0.98 : 1)) < 1e-6, `${name}: ${ratio}`);
  }
});

torchTest('a rate factor of 0 freezes the coefficients and nothing else', async t => {
  const model = lenet();
  const names = model.weights.map(({ originalName }) => originalName);
  const before = weightsOf(model);
  const data = squares({ count: 80, classes: CLASSES });
  await train(model, { epochs: 1, batchSize: 32, seed: 1, data, activations: { rateFactor: 0 } });
  weightsOf(model).forEach((values, i) => {
    if (/numerator|denominator/.test(names[i]!)) t.deepEqual(values, before[i]!, names[i]);
    else t.notDeepEqual(values, before[i]!, names[i]);
  });
  model.dispose();
});

torchTest('clipNorm scales all gradients down together', t => {
  const model = lenet('relu');
  const optimizer = new Optimizer(
    model,
    Recipe.parse({ optimizer: { name: 'sgd', momentum: 0 }, clipNorm: 5 }),
  );
  const before = weightsOf(model);
  // 61,196 parameters with a gradient of 1 each (four classes): the norm is their root.
  const parameters = optimizer.variables.reduce((sum, variable) => sum + variable.size, 0);
  tf.tidy(() => {
    optimizer.apply(
      optimizer.variables.map(variable => tf.onesLike(variable as tf.Tensor)),
      tf.scalar(1),
    );
  });
  const moved = before[0]![0]! - weightsOf(model)[0]![0]!;
  t.true(Math.abs(moved - 5 / Math.sqrt(parameters)) < 1e-6, String(moved));
  optimizer.dispose();
  model.dispose();
});

const norm = (lists: readonly (readonly number[])[]) =>
  Math.sqrt(lists.flat().reduce((sum, value) => sum + value * value, 0));

for (const { clipNorm, group } of [
  { group: 0.5 },
  { clipNorm: 2, group: 0.5 },
  { clipNorm: 2, group: 1e6 },
  { clipNorm: 2 },
]) {
  torchTest(
    `clipNorm ${clipNorm ?? 'absent'}, ${group ?? 'none'} for activations: what moves is what float64 says`,
    t => {
      const model = lenet();
      const activations = group ? { clipNorm: group } : {};
      const recipe = { optimizer: { name: 'sgd', momentum: 0 }, activations, ...(clipNorm && { clipNorm }) };
      const optimizer = new Optimizer(model, Recipe.parse(recipe));
      const isOwn = optimizer.variables.map(({ name }) => /^act/.test(name));
      t.is(isOwn.filter(Boolean).length, 8, 'numerators and denominators of four activations');
      const gradients = optimizer.variables.map(({ shape }, i) => tf.randomNormal(shape, 0, 1, 'float32', i));
      let expected = gradients.map(gradient => Array.from(gradient.dataSync()));
      const scaled = (most: number, inGroup: readonly boolean[]) => {
        const scale = Math.min(1, most / norm(expected.filter((_, i) => inGroup[i])));
        expected = expected.map((list, i) => (inGroup[i] ? list.map(value => value * scale) : list));
      };
      if (group) scaled(group, isOwn);
      const ownNorm = norm(expected.filter((_, i) => isOwn[i]));
      if (group) t.is(ownNorm <= group * (1 + 1e-12), true);
      if (clipNorm)
        scaled(
          clipNorm,
          isOwn.map(() => true),
        );
      tf.tidy(() => {
        for (const variable of optimizer.variables) variable.assign(tf.zerosLike(variable as tf.Tensor));
        optimizer.apply(gradients, tf.scalar(1));
      });
      optimizer.variables.forEach((variable, i) => {
        const moved = variable.dataSync() as Float32Array;
        within(
          t,
          variable.name,
          moved,
          expected[i]!.map(value => -value),
          { tolerance: 1e-5, scale: 1 },
        );
      });
      tf.dispose(gradients);
      optimizer.dispose();
      model.dispose();
    },
  );
}

torchTest('activations.clipNorm changes nothing in a network whose activations have no coefficients', t => {
  const steps = [{}, { activations: { clipNorm: 1e-3 } }].map(recipe => {
    const model = lenet('relu');
    const optimizer = new Optimizer(model, Recipe.parse({ optimizer: 'sgd', ...recipe }));
    tf.tidy(() => {
      const ones = optimizer.variables.map(variable => tf.onesLike(variable as tf.Tensor));
      optimizer.apply(ones, tf.scalar(0.1));
    });
    const values = weightsOf(model);
    optimizer.dispose();
    model.dispose();
    return values;
  });
  t.deepEqual(steps[1], steps[0]);
});
