/**
 * Normalises pixels, trains small networks for some steps and runs one on slices; prints the pixels, losses, sums of the weights
 * and how the steps ran, for device.test.ts and cuda.test.ts. Argument: the device.
 */
import { CompiledStep, engine, pau, rpau, tf, zoo } from '../../src/index.js';
import { sgdStep } from '../../src/ops/optimizerStep.js';
import { normalisedPixels, normalisingTable } from '../../src/ops/pixels.js';
import { Recipe } from '../../src/training/recipe.js';
import { TrainStep } from '../../src/training/trainStep.js';

const STEPS = 9;

await engine.use('torch', { device: process.argv[2] ?? 'cpu' });
const numbers: number[] = [];
const how = new Set<string>();
const bytes = Uint8Array.from({ length: 2 * 4 * 4 * 3 }, (_, i) => (i * 37) & 255);
const images = normalisedPixels(bytes, [2, 4, 4, 3], normalisingTable([0.1, 0.4, 0.7], [0.2, 0.3, 0.4]));
numbers.push(...images.dataSync());
for (const [network, activation, optimizer] of [
  [zoo.lenet, pau(), 'adam'],
  [zoo.lenet, rpau(), { name: 'sgd', momentum: 0.9 }],
  [zoo.resnet18, pau(), 'adam'], // normalises batches
] as const) {
  const model = network({ activation, seed: 3, width: network === zoo.lenet ? 1 : 0.25 });
  const inputShape = model.inputs[0]!.shape.slice(1) as [number, number, number];
  const step = new TrainStep(model, Recipe.parse({ optimizer, epochs: 1 }));
  const labels = tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7], 'int32');
  for (let i = 0; i < STEPS; i++) {
    const images = tf.randomNormal<tf.Rank.R4>([8, ...inputShape], 0, 1, 'float32', i + 1);
    numbers.push(step.run(images, labels, 1e-3).loss);
    images.dispose();
  }
  how.add(step.compiled.replay?.mode ?? '');
  for (const weight of model.getWeights()) numbers.push(tf.tidy(() => tf.sum(tf.abs(weight)).dataSync()[0]!));
  step.dispose();
}
// Inputs that do not lie densely in memory, more often than variables may move.
const square = new CompiledStep(([x]) => [tf.square(x!)]);
const grid = tf.reshape(tf.range(0, 64, 1, 'float32'), [8, 8]);
for (let i = 0; i < 20; i++) {
  const slice = tf.slice(grid, [0, i % 4], [8, 4]);
  const [squares] = square.run([slice]);
  numbers.push(...squares!.dataSync());
  tf.dispose([slice, squares!]);
}
how.add(square.replay?.mode ?? '');
// An input that is the variable that the step changes: it is read after the change.
const changed = tf.variable(tf.tensor1d([1, 2, 3, 4]));
const ownInput = new CompiledStep(([x]) => {
  const update = {
    variables: [changed],
    gradients: [tf.onesLike(x!)],
    learningRate: tf.scalar(1),
    rateFactors: [1],
    weightDecays: [0],
  };
  sgdStep(update, { momentum: 0, nesterov: false, velocities: [] });
  return [tf.mul(x!, 10)];
});
for (let i = 0; i < STEPS; i++) numbers.push(...ownInput.run([tf.zeros([4])])[0]!.dataSync());
how.add(ownInput.replay?.mode ?? '');
for (const x of [changed, tf.reshape(changed, [4])]) numbers.push(...ownInput.run([x])[0]!.dataSync());
// A depthwise convolution and its gradients, with a stride and without.
for (const stride of [1, 2]) {
  const gradients = tf.grads((x: tf.Tensor, filter: tf.Tensor) =>
    tf.square(tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, 'same')),
  );
  const depthwise = new CompiledStep(([x, filter]) => gradients([x!, filter!]));
  const operands = [
    tf.randomNormal([2, 8, 6, 10], 0, 1, 'float32', 1),
    tf.randomNormal([3, 3, 10, 1], 0, 1, 'float32', 2),
  ];
  for (let i = 0; i < STEPS; i++) for (const y of depthwise.run(operands)) numbers.push(...y.dataSync());
  how.add(depthwise.replay?.mode ?? '');
}
console.log(JSON.stringify({ numbers, how: [...how].join() }));
