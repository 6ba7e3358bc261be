/**
 * Trains LeNet for one epoch on the Fashion-MNIST subset in the package (6,000 images) with every activation of the
 * catalogue, and prints the accuracy on its 1,000 test images (whose standard error is 1.2 points). It ends with 1 when one
 * stays at or below 80 %, or diverges; only SLAF may diverge.
 *
 *   node scripts/check-activations.mjs [--held-out] [activation ...]
 *
 * With `--held-out` it trains on 5,000 of the training images and tests on the other 1,000: what the protocol was chosen on.
 */
import { DivergedError, datasets, engine, tf, train, zoo } from '../dist/src/index.js';

const LEAST = 0.8;
const RECIPE = {
  epochs: 1,
  batchSize: 8,
  optimizer: { name: 'adam', learningRate: 0.003, beta2: 0.99 },
  schedule: { name: 'cosine', warmupEpochs: 0.2 },
  clipNorm: 5,
};
const SEEDS = [1, 2, 3];
/** Of Kaiming's scheme; SLAF's polynomial of degree 5 is no rectifier, and often explodes with √2. */
const gainOf = activation => (activation === 'slaf' ? 1 : Math.SQRT2);

const activations = process.argv.slice(2).filter(argument => argument !== '--held-out');
if (activations.length === 0) {
  activations.push(
    'pau',
    'rpau',
    'rational',
    'relu',
    'relu6',
    'lrelu',
    'rrelu',
    'prelu',
    'elu',
    'celu',
    'swish',
  );
  activations.push('maxout', 'mixture', 'slaf', 'apl', 'srelu');
}

await engine.use('torch', { threads: 1 }); // of batches so small, more threads only wait for each other
const subset = datasets.fashionMnist({ source: 'embedded' });
const data = process.argv.includes('--held-out') ? await heldOut() : subset;
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
  const model = zoo.lenet({ activation, seed });
  startKaiming(model, gainOf(activation));
  try {
    const { testAccuracy } = await train(model, { data, ...RECIPE, seed });
    if (!(testAccuracy > LEAST)) process.exitCode = 1;
    return testAccuracy;
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    if (activation !== 'slaf') process.exitCode = 1;
    return Number.NaN;
  } finally {
    model.dispose();
  }
}

/** Kaiming's uniform draws, ±gain·√(3 / fan-in) (He et al., ICCV 2015), from the zoo's, which are PyTorch's ±1/√fan-in. */
function startKaiming(model, gain) {
  tf.tidy(() =>
    model.setWeights(
      model.weights.map(weight => {
        const values = weight.read();
        return weight.originalName.endsWith('kernel') ? tf.mul(values, gain * Math.sqrt(3)) : values;
      }),
    ),
  );
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
