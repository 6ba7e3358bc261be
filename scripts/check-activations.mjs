/**
 * Trains LeNet for one epoch on the Fashion-MNIST subset in the package (6,000 images) with every activation of the
 * catalogue, and prints the accuracy on its 1,000 test images (whose standard error is 1.2 points). It ends with 1 when one
 * stays at or below 80 %, or diverges; only SLAF may diverge.
 *
 *   node scripts/check-activations.mjs [--held-out] [activation ...]
 *
 * With `--held-out` it trains on 5,000 of the training images and tests on the other 1,000: what the protocol was chosen on.
 */
import { parseArgs } from 'node:util';
import { DivergedError, datasets, engine } from '../dist/src/index.js';
import { ACTIVATIONS, accuracyAfterAnEpoch } from '../dist/test/support/lenetEpoch.js';

const LEAST = 0.8;
const SEEDS = [1, 2, 3];
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'held-out': { type: 'boolean' } },
});
const activations = positionals.length > 0 ? positionals : ACTIVATIONS;

await engine.use('torch', { threads: 1 }); // of batches so small, more threads only wait for each other
const subset = datasets.fashionMnist({ source: 'embedded' });
const data = options['held-out'] ? await heldOut() : subset;
console.error(engine.describe());
console.log(`| activation | ${SEEDS.map(seed => `seed ${seed}`).join(' | ')} | mean | seconds |`);
console.log(`|---|${SEEDS.map(() => '---').join('|')}|---|---|`);
for (const activation of activations) {
  const began = performance.now();
  const accuracies = [];
  for (const seed of SEEDS) accuracies.push(await outcome(activation, seed));
  const seconds = (performance.now() - began) / 1000 / SEEDS.length;
  const mean = accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / SEEDS.length;
  const cells = [...accuracies, mean].map(value =>
    Number.isNaN(value) ? 'diverged' : `${(100 * value).toFixed(1)} %`,
  );
  console.log(`| ${activation} | ${cells.join(' | ')} | ${seconds.toFixed(1)} |`);
}

/** @returns the accuracy, or NaN where the training diverged */
async function outcome(activation, seed) {
  try {
    const accuracy = await accuracyAfterAnEpoch(activation, data, seed);
    if (!(accuracy > LEAST)) process.exitCode = 1;
    return accuracy;
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    if (activation !== 'slaf') process.exitCode = 1;
    return Number.NaN;
  }
}

/** A data set of training images alone. */
async function heldOut() {
  const { classes, inputShape, mean, std, length } = subset;
  const batches = subset.train({ batchSize: length.train, seed: 77, epoch: 0, pixels: 'uint8' });
  const { images, labels } = (await batches[Symbol.asyncIterator]().next()).value;
  const pixels = images.dataSync();
  const size = pixels.length / length.train;
  const part = (from, to) => ({
    images: Uint8Array.from(pixels.subarray(from * size, to * size)),
    labels: [...labels.dataSync().subarray(from, to)],
  });
  const [most, all] = [length.train - length.test, length.train];
  return datasets.fromArrays({
    train: part(0, most),
    test: part(most, all),
    ...{ inputShape, classes, mean, std },
  });
}
