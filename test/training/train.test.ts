import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import test from 'ava';
import {
  DivergedError,
  datasets,
  evaluate,
  OptionsError,
  provenanceOf,
  ShapeError,
  type TrainEvent,
  train,
  zoo,
} from '../../src/index.js';
import { Recipe } from '../../src/training/recipe.js';
import { TrainStep } from '../../src/training/trainStep.js';
import { counting } from '../support/counting.js';
import { torchTest } from '../support/engine.js';
import { squares } from '../support/images.js';

const CLASSES = 4;
const small = { epochs: 2, batchSize: 32, seed: 1 };
const lenet = (activation = 'pau') => zoo.lenet({ activation, classes: CLASSES, seed: 2 });
const data = () => squares({ count: 80, classes: CLASSES });

async function eventsOf(model: LayersModel, options: Parameters<typeof train>[1]): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(model, options)) events.push(event);
  return events;
}

const weightsOf = (model: LayersModel) => model.getWeights().map(weight => Array.from(weight.dataSync()));

torchTest('events come in order: start, the steps of an epoch, its record, the next epoch', async t => {
  const model = lenet();
  const events = await eventsOf(model, { ...small, data: data() });
  const epoch = ['step', 'step', 'step', 'epoch']; // 80 images in batches of 32
  t.deepEqual(
    events.map(({ type }) => type),
    ['start', ...epoch, ...epoch],
  );
  t.deepEqual(events[0], { type: 'start', epochs: 2, stepsPerEpoch: 3, source: 'arrays in memory' });
  const steps = events.filter(event => event.type === 'step');
  t.deepEqual(
    steps.map(({ epoch, step, stepsPerEpoch, learningRate }) => [epoch, step, stepsPerEpoch, learningRate]),
    [1, 2].flatMap(each => [1, 2, 3].map(step => [each, step, 3, 0.002])),
  );
  t.true(steps.every(({ loss }) => Number.isFinite(loss) && loss > 0));
  const records = events.filter(event => event.type === 'epoch');
  t.deepEqual(
    records.map(record => record.epoch),
    [1, 2],
  );
  for (const { epoch, trainLoss, trainAccuracy, testAccuracy, seconds } of records) {
    const losses = steps.filter(step => step.epoch === epoch).map(({ loss }) => loss);
    // The last batch has 16 images.
    const mean = (32 * losses[0]! + 32 * losses[1]! + 16 * losses[2]!) / 80;
    t.true(Math.abs(trainLoss - mean) < 1e-6);
    t.true(trainAccuracy >= 0 && trainAccuracy <= 1 && testAccuracy >= 0 && testAccuracy <= 1);
    t.true(seconds > 0);
  }
  model.dispose();
});

torchTest('the result holds the records, and the network remembers recipe, data and metrics', async t => {
  const model = lenet();
  const set = data();
  const result = await train(model, { ...small, epochs: 8, data: set });
  t.is(result.model, model);
  t.is(result.epochs.length, 8);
  t.is(result.testAccuracy, result.epochs.at(-1)!.testAccuracy);
  t.is(result.testAccuracy, 1, 'bright squares in four corners are easy');
  t.deepEqual(await evaluate(model, set), { testAccuracy: result.testAccuracy, testLoss: result.testLoss });
  const { recipe, data: remembered, metrics, epochs } = provenanceOf(model);
  t.is(remembered, set);
  t.deepEqual(recipe, Recipe.parse({ ...small, epochs: 8 }));
  t.deepEqual(metrics, { testAccuracy: result.testAccuracy, testLoss: result.testLoss });
  t.deepEqual(epochs, result.epochs);
  const again = await train(model, { epochs: 1 });
  t.is(again.epochs.length, 1, 'the data set that it was trained on is the default');
  model.dispose();
});

torchTest('the same seed gives the same losses, another seed others', async t => {
  const losses = async (seed: number) => {
    const model = lenet();
    const events = await eventsOf(model, { ...small, seed, data: data() });
    model.dispose();
    return events.flatMap(event => (event.type === 'step' ? [event.loss] : []));
  };
  const first = await losses(5);
  t.deepEqual(await losses(5), first);
  t.notDeepEqual(await losses(6), first);
});

torchTest('training leaves no tensor behind', async t => {
  const model = lenet();
  await train(model, { ...small, epochs: 1, data: data() }); // tfjs keeps a few of its own from the first step on
  const before = tf.memory().numTensors;
  await train(model, { ...small, data: data() });
  t.is(tf.memory().numTensors, before);
  model.dispose();
});

torchTest('leaving the loop stops the work, and leaves no tensor behind', async t => {
  const model = lenet();
  await train(model, { ...small, epochs: 1, data: data() });
  const before = tf.memory().numTensors;
  const watched = counting(data());
  const task = train(model, { ...small, epochs: 50, data: watched.data });
  let steps = 0;
  for await (const event of task) if (event.type === 'step' && ++steps === 2) break;
  t.is(watched.given(), 2);
  t.is(watched.live(), 0);
  t.is(tf.memory().numTensors, before);
  await t.throwsAsync(async () => task, { message: /left before the end/ });
  model.dispose();
});

torchTest('an AbortSignal stops training at the next step, and leaves no tensor behind', async t => {
  const model = lenet();
  await train(model, { ...small, epochs: 1, data: data() });
  const before = tf.memory().numTensors;
  const controller = new AbortController();
  const watched = counting(data());
  const task = train(model, { ...small, epochs: 50, data: watched.data, signal: controller.signal });
  await t.throwsAsync(
    async () => {
      for await (const event of task) if (event.type === 'step' && event.step === 2) controller.abort();
    },
    { any: true, name: 'AbortError' }, // a DOMException is no Error to ava
  );
  t.is(watched.given(), 3, 'the batch that was on its way');
  t.is(watched.live(), 0);
  t.is(tf.memory().numTensors, before);
  await t.throwsAsync(async () => task, { any: true, name: 'AbortError' });
  const aborted = train(model, { ...small, data: data(), signal: AbortSignal.abort(new Error('not today')) });
  await t.throwsAsync(async () => aborted, { message: 'not today' });
  model.dispose();
});

torchTest('NaN in the data ends training with the epoch, the step and what to do', async t => {
  const images = new Float32Array(8 * 32 * 32).fill(0.5);
  images[5 * 32 * 32] = Number.NaN;
  const split = { images, labels: [0, 1, 2, 3, 0, 1, 2, 3] };
  const set = datasets.fromArrays({
    train: split,
    test: split,
    inputShape: [32, 32, 1],
    classes: ['a', 'b', 'c', 'd'],
  });
  const model = lenet();
  const weights = weightsOf(model);
  const before = tf.memory().numTensors;
  const error = await t.throwsAsync(async () => train(model, { ...small, batchSize: 8, data: set }), {
    instanceOf: DivergedError,
    message:
      /the loss is NaN in epoch 1, step 1, at learning rate 0\.002; lower .* clipNorm .* NaN in the data/,
  });
  t.like(error, { name: 'DivergedError', epoch: 1, step: 1 });
  t.is(tf.memory().numTensors, before);
  t.deepEqual(weightsOf(model), weights, 'the step that failed changed nothing');
  model.dispose();
});

torchTest('a batch of one image and a batch larger than the data set are trained on', async t => {
  const model = lenet('relu');
  const set = squares({ count: 4, classes: CLASSES });
  const sizes = async (batchSize: number) =>
    (await eventsOf(model, { epochs: 1, batchSize, data: set })).filter(({ type }) => type === 'step').length;
  t.is(await sizes(1), 4);
  t.is(await sizes(1000), 1);
  model.dispose();
});

torchTest('labelSmoothing asks the network for a share of every class', t => {
  const model = lenet('relu');
  const update = new TrainStep(model, Recipe.parse({ labelSmoothing: 0.3 }));
  tf.tidy(() => {
    const images = tf.randomUniform([8, 32, 32, 1], -1, 1, 'float32', 1) as tf.Tensor4D;
    const labels = [0, 1, 2, 3, 0, 1, 2, 3];
    const logits = (model.predict(images) as tf.Tensor2D).arraySync();
    const { loss } = update.run(images, tf.tensor1d(labels, 'int32'), 0);
    const each = logits.map((row, i) => {
      const logSum = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      return row.reduce(
        (sum, x, k) => sum + (0.3 / row.length + (k === labels[i] ? 0.7 : 0)) * (logSum - x),
        0,
      );
    });
    const expected = each.reduce((sum, value) => sum + value) / each.length;
    t.true(Math.abs(loss - expected) < 1e-5, `${loss}, expected ${expected}`);
  });
  update.dispose();
  model.dispose();
});

// --- what is refused before any work ---

test.serial('train refuses what it does not understand, and says what it wants', t => {
  const model = lenet();
  const refused: [object, RegExp][] = [
    [
      { epoch: 3 },
      /train: no option epoch, expected one of epochs, batchSize, .*, seed, activationHistory, data, .*signal, compile/,
    ],
    [{ epochs: 0 }, /epochs: .*, got 0/],
    [{ batchSize: 1.5 }, /batchSize: .*got 1\.5/],
    [{ optimizer: 'adamw' }, /optimizer: .*"adam"\|"sgd", got "adamw"/],
    [{ optimizer: { name: 'sgd', momentum: 1 } }, /optimizer\.momentum: .*<1, got 1/],
    [{ activations: { rate: 1 } }, /activations: no option rate/],
    [{ labelSmoothing: 1 }, /labelSmoothing: .*<1, got 1/],
    [{ activations: { clipNorm: 0 } }, /activations\.clipNorm: .*>0, got 0/],
    [{ schedule: { name: 'step' } }, /schedule\.at: .*array.*, got undefined/],
  ];
  for (const [options, message] of refused) {
    t.throws(() => train(model, { data: data(), ...options } as never), {
      instanceOf: OptionsError,
      message,
    });
  }
  t.throws(() => train(model, {}), { instanceOf: OptionsError, message: /there is no data; give \{ data: / });
  model.dispose();
});

torchTest('a network that does not fit the data is refused before anything changes', async t => {
  const pixels = (size: number) => new Uint8Array(size * size);
  const set = (size: number, classes: number) => {
    const split = { images: pixels(size), labels: [0] };
    return datasets.fromArrays({
      name: 'odd',
      train: split,
      test: split,
      inputShape: [size, size, 1],
      classes: Array.from({ length: classes }, (_, i) => String(i)),
    });
  };
  const model = lenet();
  const before = weightsOf(model);
  await t.throwsAsync(async () => train(model, { data: set(28, 4) }), {
    instanceOf: ShapeError,
    message: /lenet takes images \[32, 32, 1\], but odd gives \[28, 28, 1\]/,
  });
  await t.throwsAsync(async () => train(model, { data: set(32, 7) }), {
    instanceOf: ShapeError,
    message: /lenet has 4 outputs, but odd has 7 classes; build it with \{ classes: 7 \}/,
  });
  await t.throwsAsync(async () => evaluate(model, set(28, 4)), {
    instanceOf: ShapeError,
    message: /^evaluate/,
  });
  t.deepEqual(weightsOf(model), before);
  model.dispose();
});

torchTest('evaluation leaves no tensor behind, and is the same for every batch size', async t => {
  const model = lenet();
  const set = data();
  const whole = await evaluate(model, set, { batchSize: 80 });
  const before = tf.memory().numTensors;
  const parts = await evaluate(model, set, { batchSize: 7 });
  t.is(tf.memory().numTensors, before);
  t.is(parts.testAccuracy, whole.testAccuracy);
  t.true(Math.abs(parts.testLoss - whole.testLoss) < 1e-5);
  model.dispose();
});
