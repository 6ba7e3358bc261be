/** Normalises pixels and trains small networks for some steps; prints the pixels, losses, a sum of the weights and how the step ran, for device.test.ts and cuda.test.ts. Argument: the device. */
import { engine, pau, rpau, tf, zoo } from '../../src/index.js';
import { normalisedPixels, normalisingTable } from '../../src/ops/pixels.js';
import { Recipe } from '../../src/training/recipe.js';
import { TrainStep } from '../../src/training/trainStep.js';

const STEPS = 9;

await engine.use('torch', { device: process.argv[2] ?? 'cpu' });
const numbers: number[] = [];
let how = '';
const bytes = Uint8Array.from({ length: 2 * 4 * 4 * 3 }, (_, i) => (i * 37) & 255);
const images = normalisedPixels(bytes, [2, 4, 4, 3], normalisingTable([0.1, 0.4, 0.7], [0.2, 0.3, 0.4]));
numbers.push(...images.dataSync());
for (const [activation, optimizer] of [
  [pau(), 'adam'],
  [rpau(), { name: 'sgd', momentum: 0.9 }],
] as const) {
  const model = zoo.lenet({ activation, seed: 3 });
  const step = new TrainStep(model, Recipe.parse({ optimizer, epochs: 1 }));
  const labels = tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7], 'int32');
  for (let i = 0; i < STEPS; i++) {
    const images = tf.randomNormal<tf.Rank.R4>([8, 32, 32, 1], 0, 1, 'float32', i + 1);
    numbers.push(step.run(images, labels, 1e-3).loss);
    images.dispose();
  }
  how = step.compiled.replay?.mode ?? '';
  for (const weight of model.getWeights()) numbers.push(tf.tidy(() => tf.sum(tf.abs(weight)).dataSync()[0]!));
  step.dispose();
}
console.log(JSON.stringify({ numbers, how }));
