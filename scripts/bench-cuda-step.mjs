/** One network's training step with PAUs on a GPU: prints its median time, how it runs and the GPU memory, as JSON. */
import { engine, tf, zoo } from '../dist/src/index.js';
import { Recipe } from '../dist/src/training/recipe.js';
import { TrainStep } from '../dist/src/training/trainStep.js';

const WARMUP = 12; // recordings, warm-ups and the capture
const ROUNDS = 30;
const STEPS = 5; // between two waits for the GPU

const [network, batch, precision, device] = process.argv.slice(2);
await engine.use('torch', { device, precision, convolutions: 'measured' });
const model = zoo[network]({ activation: 'pau', seed: 1 });
const [, ...shape] = model.inputs[0].shape;
const step = new TrainStep(model, Recipe.parse({ optimizer: 'adam', epochs: 1 }));
const images = tf.randomNormal([Number(batch), ...shape], 0, 1, 'float32', 1);
const labels = tf.tidy(() => tf.cast(tf.mod(tf.range(0, Number(batch), 1, 'int32'), 10), 'int32'));
const rate = tf.scalar(1e-3);
const once = () => step.compiled.run([images, labels, rate]);
for (let i = 0; i < WARMUP; i++) tf.dispose(once());
const times = [];
for (let round = 0; round < ROUNDS; round++) {
  const start = performance.now();
  for (let i = 1; i < STEPS; i++) tf.dispose(once());
  const last = once();
  last[0].dataSync(); // waits for the GPU
  times.push((performance.now() - start) / STEPS);
  tf.dispose(last);
}
const { usedBytes, cachedBytes } = engine.memory();
const median = times.toSorted((a, b) => a - b)[ROUNDS >> 1];
const { mode: how, reason } = step.compiled.replay ?? step.compiled;
console.log(
  JSON.stringify({
    milliseconds: median,
    how: reason ? `${how}: ${reason}` : how,
    bytes: usedBytes + cachedBytes,
  }),
);
