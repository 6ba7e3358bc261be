/** A run record as the quickstart makes it, from formulas: LeNet with PAU at 0, 10, 20 and 30 %. */
import type { ActivationRecord, EpochRecord, RunRecord, StepRecord } from '../../src/report/record.js';

const SIZES = [
  [0, 61_746, 416_520, 6, 16, 120],
  [10, 53_075, 393_012, 6, 15, 108],
  [20, 42_102, 300_604, 5, 13, 96],
  [30, 34_956, 281_096, 5, 12, 84],
] as const;

function epochs(step: number): EpochRecord[] {
  return Array.from({ length: 12 }, (_, i) => ({
    epoch: i + 1,
    trainLoss: 1.4 / (i + 1) + 0.01 * step,
    trainAccuracy: 0.95 - 0.4 / (i + 1),
    testLoss: 1.2 / (i + 1) + 0.3,
    testAccuracy: 0.86 - 0.3 / (i + 1) - 0.002 * step,
    learningRate: 0.002,
    seconds: 0.7,
  }));
}

export function activation(layer: string): ActivationRecord {
  const xs = Array.from({ length: 41 }, (_, i) => -4 + 0.2 * i);
  return {
    layer,
    kind: 'pau [5/4]',
    learned: xs.map(x => [x, x > 0 ? 1.1 * x : 0.05 * x] as const),
    initial: xs.map(x => [x, x > 0 ? x : 0.01 * x] as const),
    inputs: { min: -4, max: 4, counts: xs.map(x => Math.round(1000 * Math.exp(-x * x))) },
    rational: {
      form: 'absolute-sum',
      q: 1,
      numerator: [0.0336, 0.505, 1.6513, 2.0045, 0.9279, 0.1515],
      denominator: [0, 3.9693, 0, 0.3001],
    },
  };
}

function step(
  [percent, parameters, macs, conv1, conv2, conv3]: (typeof SIZES)[number],
  index: number,
): StepRecord {
  const filters = Object.entries({ conv1: [conv1, 6], conv2: [conv2, 16], conv3: [conv3, 120] }).map(
    ([layer, [now, original]]) => ({ layer, now: now!, original: original! }),
  );
  const history = epochs(index);
  return {
    percent,
    parameters,
    activationParameters: 40,
    macs,
    filters,
    epochs: history,
    testAccuracy: history.at(-1)!.testAccuracy,
    testLoss: history.at(-1)!.testLoss,
    seconds: 9.4,
    activations: ['act1', 'act2', 'act3', 'act4'].map(activation),
    checkpoint: percent === 0 ? 'unpruned' : `step-${percent}`,
  };
}

export const sampleRun: RunRecord = {
  title: 'LeNet with Padé activations on Fashion-MNIST',
  created: '2026-01-02T03:04:05.000Z',
  engine: 'torch 2.13.0, CPU, 2 threads',
  architecture: 'lenet',
  dataset: { name: 'fashion-mnist', source: 'embedded subset', train: 6000, test: 1000 },
  recipe: { epochs: 12, batchSize: 128, optimizer: { name: 'adam', learningRate: 0.002 } },
  seed: 1,
  steps: SIZES.map(step),
  best: 2,
};
