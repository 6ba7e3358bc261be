import test from 'ava';
import { learningRateAt, Recipe, type RecipeOptions } from '../../src/training/recipe.js';

const rates = (options: RecipeOptions, at: number[]) =>
  at.map(progress => Number(learningRateAt(Recipe.parse(options), progress).toPrecision(12)));

test('the default recipe is the protocol of the paper for its MNIST networks', t => {
  const recipe = Recipe.parse({});
  t.is(recipe.batchSize, 256);
  t.like(recipe.optimizer, { name: 'adam', learningRate: 0.002, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
  t.like(Recipe.parse({ optimizer: 'sgd' }).optimizer, { learningRate: 0.01, momentum: 0.5 });
  t.is(recipe.weightDecay, 0);
  t.deepEqual(recipe.activations, { rateFactor: 1, weightDecay: 0 });
  t.is(recipe.clipNorm, undefined);
  t.is(recipe.labelSmoothing, 0);
});

test('a constant rate stays', t => {
  t.deepEqual(rates({ optimizer: 'sgd' }, [0, 3.7, 19.9]), [0.01, 0.01, 0.01]);
});

test('a step schedule multiplies the rate at the start of its epochs', t => {
  const options: RecipeOptions = {
    epochs: 10,
    optimizer: { name: 'sgd', learningRate: 1 },
    schedule: { name: 'step', at: [3, 6], factor: 0.1 },
  };
  t.deepEqual(rates(options, [0, 2.99, 3, 5.99, 6, 9.99]), [1, 1, 0.1, 0.1, 0.01, 0.01]);
});

test('a cosine falls from the rate to its final share', t => {
  const options: RecipeOptions = {
    epochs: 8,
    optimizer: { name: 'sgd', learningRate: 1 },
    schedule: { name: 'cosine', final: 0.2 },
  };
  // final + (1 - final)·(1 + cos(π·p/8)) / 2
  t.deepEqual(rates(options, [0, 4, 8]), [1, 0.6, 0.2]);
  t.true(Math.abs(rates(options, [2])[0]! - (0.2 + (0.8 * (1 + Math.SQRT1_2)) / 2)) < 1e-11);
  t.deepEqual(rates({ ...options, schedule: 'cosine' }, [8]), [0]);
});

test('a warm-up rises linearly, then the cosine begins', t => {
  const options: RecipeOptions = {
    epochs: 10,
    optimizer: { name: 'sgd', learningRate: 1 },
    schedule: { name: 'cosine', warmupEpochs: 2 },
  };
  t.deepEqual(rates(options, [1, 2, 6, 10]), [0.5, 1, 0.5, 0]);
  const all = Array.from({ length: 101 }, (_, i) => rates(options, [i / 10])[0]!);
  t.true(all.every(rate => rate >= 0 && rate <= 1));
});
