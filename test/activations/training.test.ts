/** Every activation of the catalogue trains LeNet: one epoch of real images with each. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import test from 'ava';
import { DivergedError, datasets, engine, train, zoo } from '../../src/index.js';
import { hasTorch, torchTest } from '../support/engine.js';

test.before(async () => {
  if (hasTorch) await engine.use('torch', { threads: 1 }); // of batches so small, more threads only wait for each other
});

/** The protocol of scripts/check-activations.mjs, with the seed that leaves most room for builds with other convolutions. */
const recipe = {
  epochs: 1,
  batchSize: 8,
  optimizer: { name: 'adam', learningRate: 0.003, beta2: 0.99 },
  schedule: { name: 'cosine', warmupEpochs: 0.2 },
  clipNorm: 5,
  seed: 2,
} as const;
const data = () => datasets.fashionMnist({ source: 'embedded' });

/** Kaiming's uniform draws from PyTorch's, by a gain of √2, or 1 for SLAF. */
function startKaiming(model: LayersModel, gain: number): void {
  tf.tidy(() =>
    model.setWeights(
      model.weights.map(weight => {
        const values = weight.read();
        return weight.originalName.endsWith('kernel') ? tf.mul(values, gain * Math.sqrt(3)) : values;
      }),
    ),
  );
}

async function accuracyOf(activation: string): Promise<number> {
  const model = zoo.lenet({ activation, seed: recipe.seed });
  startKaiming(model, activation === 'slaf' ? 1 : Math.SQRT2);
  try {
    return (await train(model, { data: data(), ...recipe })).testAccuracy;
  } finally {
    model.dispose();
  }
}

for (const activation of [
  ...['pau', 'rpau', 'rational', 'relu', 'relu6', 'lrelu', 'rrelu', 'prelu', 'elu', 'celu', 'swish'],
  ...['maxout', 'mixture', 'apl', 'srelu'],
]) {
  torchTest(`after an epoch of 6,000 images LeNet with ${activation} is right on more than 80 %`, async t => {
    const accuracy = await accuracyOf(activation);
    t.true(accuracy > 0.8, `${100 * accuracy} %`);
  });
}

torchTest('so is LeNet with slaf, unless it diverges and training says so', async t => {
  try {
    const accuracy = await accuracyOf('slaf');
    t.true(accuracy > 0.8, `${100 * accuracy} %`);
  } catch (error) {
    t.true(error instanceof DivergedError, String(error));
  }
});

torchTest('SLAF diverges at a rate that is too high for its powers, and training says so', async t => {
  const model = zoo.lenet({ activation: 'slaf', seed: 1 });
  const optimizer = { name: 'sgd', learningRate: 0.1, momentum: 0.9 } as const;
  const error = await t.throwsAsync(
    async () => void (await train(model, { data: data(), epochs: 1, batchSize: 32, optimizer, seed: 1 })),
    { instanceOf: DivergedError, message: /the loss is NaN|the loss is Infinity/ },
  );
  t.true(error.step > 1);
  model.dispose();
});
