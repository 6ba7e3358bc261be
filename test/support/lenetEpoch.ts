/**
 * The protocol by which every activation of the catalogue trains LeNet for one epoch: of the tests and of
 * scripts/check-activations.mjs, which tells how it was chosen.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type Dataset, train, zoo } from '../../src/index.js';

export const ACTIVATIONS = [
  ...['pau', 'rpau', 'rational', 'relu', 'relu6', 'lrelu', 'rrelu', 'prelu', 'elu', 'celu', 'swish'],
  ...['maxout', 'mixture', 'slaf', 'apl', 'srelu'],
];

const RECIPE = {
  epochs: 1,
  batchSize: 8,
  optimizer: { name: 'adam', learningRate: 0.003, beta2: 0.99 },
  schedule: { name: 'cosine', warmupEpochs: 0.2 },
  clipNorm: 5,
} as const;

/** @returns the share of the test images that LeNet is right on; @throws DivergedError, as SLAF may */
export async function accuracyAfterAnEpoch(activation: string, data: Dataset, seed: number): Promise<number> {
  const model = zoo.lenet({ activation, seed });
  startKaiming(model, gainOf(activation));
  try {
    return (await train(model, { data, ...RECIPE, seed })).testAccuracy;
  } finally {
    model.dispose();
  }
}

/** Of Kaiming's scheme; SLAF's polynomial of degree 5 is no rectifier, and often explodes with √2. */
const gainOf = (activation: string) => (activation === 'slaf' ? 1 : Math.SQRT2);

/** Kaiming's uniform draws, ±gain·√(3 / fan-in) (He et al., ICCV 2015), from the zoo's, which are PyTorch's ±1/√fan-in. */
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
