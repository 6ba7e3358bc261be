/** A run record as the quickstart makes it, from formulas: LeNet with PAU at 0, 10, 20 and 30 %. */
import { evaluateRational, type Rational } from '../../src/activations/rational.js';
import type { ActivationRecord, EpochRecord, RunRecord, StepRecord } from '../../src/report/record.js';

/** percent, parameters, MACs, filters of the three convolutions */
const SIZES = [
  [0, 61_746, 416_520, 6, 16, 120],
  [10, 53_075, 393_012, 6, 15, 108],
  [20, 42_102, 300_604, 5, 13, 96],
  [30, 34_956, 281_096, 5, 12, 84],
] as const;

/** A leaky ReLU as the authors fitted it. */
const INITIAL: Rational = {
  form: 'sum-of-absolutes',
  q: 1,
  numerator: [0.02979246, 0.61837738, 2.32335207, 3.0520266, 1.48548002, 0.25103717],
  denominator: [1.14201226, 4.39322834, 0.8715445, 0.34720652],
};

/** Waves that never repeat in step: what chance looks like, the same in every run. */
const chance = (seed: number) => Math.sin(seed * 12.9898) * Math.cos(seed * 78.233);

function epochs(step: number): EpochRecord[] {
  return Array.from({ length: 12 }, (_, i) => ({
    epoch: i + 1,
    trainLoss: 0.24 + 0.93 * Math.exp(-i / 2.1) + 0.014 * step,
    trainAccuracy: 0.915 - 0.34 * Math.exp(-i / 1.9) - 0.006 * step,
    testLoss: 0.39 + 0.34 * Math.exp(-i / 2.2) + 0.015 * step + 0.008 * chance(3 * i + step),
    testAccuracy: 0.865 - 0.14 * Math.exp(-i / 2.4) - 0.004 * step + 0.005 * chance(5 * i + step),
    learningRate: 0.002 * 0.5 * (1 + Math.cos((Math.PI * i) / 12)),
    seconds: 0.7,
  }));
}

/** @param depth moves the learned curve away from the initial one, and widens what the layer sees */
export function activation(layer: string, depth = 1): ActivationRecord {
  const [min, max] = [-2.5 * depth - 1, 3 * depth + 1];
  const learned: Rational = {
    ...INITIAL,
    numerator: INITIAL.numerator.map((a, i) => a * (1 + 0.16 * Math.cos(i + depth))),
    denominator: INITIAL.denominator.map((b, i) => b * (1 - 0.3 * Math.sin(i + 2 * depth))),
  };
  const sampled = (rational: Rational) =>
    Array.from({ length: 161 }, (_, i) => min + ((max - min) * i) / 160).map(
      x => [x, evaluateRational(rational, x)] as const,
    );
  const counts = Array.from({ length: 60 }, (_, i) => {
    const z = (i - 26 - depth) / 8;
    return Math.round(9000 * Math.exp((-z * z) / 2) * (1 + 0.1 * chance(i + depth)));
  });
  return {
    layer,
    kind: 'pau [5/4]',
    learned: sampled(learned),
    initial: sampled(INITIAL),
    inputs: { min, max, counts },
    rational: learned,
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
    seconds: 9.4 - index,
    activations: [1, 2, 3, 4].map(depth => activation(`act${depth}`, depth + index / 4)),
    checkpoint: percent === 0 ? 'unpruned' : `step-${percent}`,
  };
}

export const sampleRun: RunRecord = {
  title: 'LeNet with Padé activations on Fashion-MNIST',
  created: '2026-01-02T03:04:05.000Z',
  engine: 'torch 2.13.0, CPU, 2 threads',
  architecture: 'lenet',
  dataset: { name: 'fashion-mnist', source: 'embedded subset', train: 6000, test: 1000 },
  recipe: {
    epochs: 12,
    batchSize: 128,
    schedule: 'cosine',
    optimizer: { name: 'adam', learningRate: 0.002, betas: [0.9, 0.999] },
    weightDecay: null,
  },
  seed: 1,
  steps: SIZES.map(step),
  best: 2,
  coupling: {
    layers: ['conv1', 'conv2', 'conv3', 'dense1'],
    groups: [
      { width: 6, convolutions: ['conv1'], carriedBy: [], readBy: ['conv2'] },
      { width: 16, convolutions: ['conv2'], carriedBy: [], readBy: ['conv3'] },
      { width: 120, convolutions: ['conv3'], carriedBy: [], readBy: ['dense1'] },
    ],
    fixed: [],
  },
};
