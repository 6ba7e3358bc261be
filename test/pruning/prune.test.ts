import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import {
  OptionsError,
  type PruneEvent,
  provenanceOf,
  prune,
  ShapeError,
  train,
  zoo,
} from '../../src/index.js';
import { hasTorch, torchTest } from '../support/engine.js';
import { squares } from '../support/images.js';

const recipe = { epochs: 2, batchSize: 32, seed: 4 };
const lenet = () => zoo.lenet({ activation: 'pau', classes: 4, seed: 2 });

torchTest('a trained network is pruned with nothing but steps: recipe and data are remembered', async t => {
  const model = lenet();
  await train(model, { ...recipe, data: squares() });
  const { steps, best } = await prune(model, { steps: [10, 20, 30] });
  t.deepEqual(
    steps.map(({ percent, parameters, macs }) => [percent, parameters, macs]),
    // The published LeNet sizes with 40 PAU coefficients, less the six classes' 6 · 85 weights and 6 · 84 MACs.
    [
      [10, 53_035 + 40 - 510, 393_012 - 504],
      [20, 42_062 + 40 - 510, 300_604 - 504],
      [30, 34_916 + 40 - 510, 281_096 - 504],
    ],
  );
  t.true(steps.includes(best));
  t.true(steps.every(({ metrics }) => metrics!.testAccuracy > 0.5));
  t.is(best.metrics!.testAccuracy, Math.max(...steps.map(({ metrics }) => metrics!.testAccuracy)));
  t.is(model.getLayer('conv1').weights[0]!.shape.at(-1), 6, 'the network that was given is as it was');
});

torchTest('kept indices point into the original widths, step after step', async t => {
  const model = lenet();
  await train(model, { ...recipe, epochs: 1, data: squares() });
  const { steps } = await prune(model, { steps: [20, 50] });
  const [first, second] = steps.map(({ kept }) => kept);
  for (const [name, kept] of Object.entries(second!)) {
    const width = { conv1: 6, conv2: 16, conv3: 120 }[name]!;
    t.true(kept.every((index, i) => index > (kept[i - 1] ?? -1) && index < width));
    t.true(kept.every(index => first![name]!.includes(index)));
  }
  t.deepEqual(
    provenanceOf(steps[1]!.model).pruning!.map(({ percent }) => percent),
    [20, 50],
  );
});

torchTest('a pruned network goes on where it ended', async t => {
  const model = lenet();
  await train(model, { ...recipe, epochs: 1, data: squares() });
  const half = (await prune(model, { steps: [50] })).best.model;
  t.throws(() => prune(half, { steps: [30] }), { message: /lost 50 % .* already/ });
  const { best } = await prune(half, { steps: [60] });
  t.is(best.kept.conv3!.length, 48, 'percentages count from the original 120');
});

torchTest('the same seed gives the same pruned network', async t => {
  const run = async () => {
    const model = lenet();
    const { best } = await prune(model, { steps: [30], train: recipe, data: squares() });
    return [best.metrics!.testLoss, ...best.model.getLayer('conv1').getWeights()[0]!.dataSync()];
  };
  t.deepEqual(await run(), await run());
});

torchTest(
  "events tell of cuts, trainings and steps, with the untrained network's own training first",
  async t => {
    const seen: string[] = [];
    for await (const event of prune(lenet(), {
      steps: [20, 40],
      train: { ...recipe, epochs: 1 },
      data: squares(),
    })) {
      if (event.type !== 'train' || event.event.type === 'epoch') seen.push(label(event));
    }
    t.deepEqual(seen, ['plan', 'train 0', 'cut 20', 'train 20', 'step 20', 'cut 40', 'train 40', 'step 40']);
  },
);

function label(event: PruneEvent): string {
  if (event.type === 'plan') return 'plan';
  return `${event.type} ${event.type === 'step' ? event.step.percent : event.percent}`;
}

test.serial('train: false only cuts and starts afresh', async t => {
  const before = tf.memory().numTensors;
  const model = lenet();
  const { steps, best } = await prune(model, { steps: [50], train: false });
  t.is(best, steps[0]!);
  t.is(best.metrics, undefined);
  t.is(best.model.getLayer('conv2').weights[0]!.shape.at(-1), 8);
  for (const made of [model, best.model]) made.dispose();
  t.is(tf.memory().numTensors, before);
});

test.serial("'finetune' keeps the surviving weights", async t => {
  const model = lenet();
  const { best } = await prune(model, { steps: [50], train: false, restart: 'finetune' });
  const [bias, survivors] = [model, best.model].map(each =>
    each.getLayer('conv1').getWeights()[1]!.dataSync(),
  );
  t.deepEqual(
    [...survivors!],
    best.kept.conv1!.map(filter => bias![filter]!),
  );
});

for (const steps of [[], [0], [100], [10, 5], [10, 10], [Number.NaN]]) {
  test.serial(`steps [${steps.join(', ')}] are refused`, t => {
    t.throws(() => prune(lenet(), { steps, train: false }), { instanceOf: OptionsError });
  });
}

test.serial('an untrained network without recipe and data says what is missing', t => {
  const message = /never trained.*recipe and no data set.*train: false/s;
  t.throws(() => prune(lenet(), { steps: [10] }), { instanceOf: OptionsError, message });
});

test.serial(
  'a misspelt option, a network without convolutions and data of another shape are refused at once',
  t => {
    t.throws(() => prune(lenet(), { step: [10] } as never), {
      instanceOf: OptionsError,
      message: /no option step, expected one of steps, .*train, data, to, signal/,
    });
    const dense = layers.sequential({ layers: [layers.layers.dense({ units: 2, inputShape: [3] })] });
    t.throws(() => prune(dense, { train: false }), { message: /no convolution/ });
    const narrow = zoo.lenet({ classes: 2 });
    t.throws(() => prune(narrow, { train: recipe, data: squares() }), { instanceOf: ShapeError });
  },
);

torchTest('leaving the loop disposes what was made', async t => {
  const model = lenet();
  const data = squares();
  await train(model, { ...recipe, epochs: 1, data });
  const before = tf.memory().numTensors;
  for await (const event of prune(model, { steps: [20, 40] })) {
    if (event.type === 'cut' && event.percent === 40) break;
  }
  t.is(tf.memory().numTensors, before);
});

(hasTorch ? test.serial.skip : test.serial)(
  'without an engine that trains, retraining is refused',
  async t => {
    await t.throwsAsync(async () => prune(lenet(), { steps: [10], train: recipe, data: squares() }), {
      message: /cannot train/,
    });
  },
);
