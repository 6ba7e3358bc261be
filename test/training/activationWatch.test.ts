/** What a training tells of its Padé activations: inputs, coefficients, and a warning where inputs leave the fitted range. */
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import {
  coefficients,
  OptionsError,
  pau,
  prune,
  snapshotActivations,
  type TrainEvent,
  type TrainOptions,
  train,
  zoo,
} from '../../src/index.js';
import { decodeState, encodeState } from '../../src/training/state.js';
import { torchTest } from '../support/engine.js';
import { squares } from '../support/images.js';

const small = { epochs: 3, batchSize: 32, seed: 1 };
const data = () => squares({ count: 80 });
/** Nearly all inputs are out of so narrow a range, whatever the weights. */
const narrow = (range: readonly [number, number] = [-1e-3, 1e-3]) =>
  zoo.lenet({ activation: pau({ init: 'identity', range }), classes: 4, seed: 2 });

async function eventsOf(model: ReturnType<typeof narrow>, options: TrainOptions): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(model, { ...small, data: data(), ...options })) events.push(event);
  return events;
}

torchTest('every layer whose inputs leave the fitted range is warned of once, behind its epoch', async t => {
  const model = narrow();
  const events = await eventsOf(model, {});
  const warnings = events.filter(event => event.type === 'warning');
  t.deepEqual(
    warnings.map(({ layer, epoch }) => [layer, epoch]),
    ['act1', 'act2', 'act3', 'act4'].map(layer => [layer, 1]),
  );
  t.regex(warnings[0]!.message, /^act1: \d+ % of the inputs are outside .*normalise before it/);
  const types = events.map(({ type }) => type);
  t.is(types.indexOf('warning'), types.indexOf('epoch') + 1);
  t.true(events.every(event => event.type !== 'epoch' || event.activations === undefined));
  model.dispose();
});

torchTest('a layer that the whole network shares is warned of once, for all its calls', async t => {
  const activation = pau({ init: 'identity', range: [-1e-3, 1e-3], shared: 'network' });
  const model = zoo.lenet({ activation, classes: 4, seed: 2 });
  const events = await eventsOf(model, {});
  t.is(events.filter(({ type }) => type === 'warning').length, 1);
  model.dispose();
});

torchTest('inputs within the range, no Padé activations and "none" warn of nothing', async t => {
  for (const [model, options] of [
    [narrow([-1e3, 1e3]), {}],
    [zoo.lenet({ activation: 'relu', classes: 4, seed: 2 }), { activationHistory: 'every-epoch' }],
    [narrow(), { activationHistory: 'none' }],
  ] as const) {
    const events = await eventsOf(model, options);
    t.false(events.some(({ type }) => type === 'warning'));
    model.dispose();
  }
});

torchTest('with every-epoch the records hold what snapshotActivations sees of the test images', async t => {
  const model = zoo.lenet({ activation: 'pau', classes: 4, seed: 2 });
  const before = model.layers.filter(({ name }) => name.startsWith('act')).map(coefficients);
  const { epochs } = await train(model, { ...small, data: data(), activationHistory: 'every-epoch' });
  const history = epochs.map(({ activations }) => activations!);
  t.deepEqual(
    history.map(snapshots => snapshots.map(({ layer }) => layer)),
    Array(3).fill(['act1', 'act2', 'act3', 'act4']),
  );
  t.deepEqual(JSON.parse(JSON.stringify(history)), history, 'plain data');
  for await (const { images, labels } of data().test({ batchSize: 64 })) {
    t.deepEqual(history[2], await snapshotActivations(model, images));
    tf.dispose([images, labels]);
    break;
  }
  const first = history.map(snapshots => snapshots[0]!.coefficients[0]!.numerator[1]);
  t.is(new Set([before[0]![0]!.numerator[1], ...first]).size, 4, 'coefficients change from epoch to epoch');
  model.dispose();
});

torchTest('observing changes nothing of the training, and leaves no tensor behind', async t => {
  const weights = [];
  for (const activationHistory of ['none', 'warnings', 'every-epoch', 'every-epoch'] as const) {
    const before = tf.memory().numTensors;
    const model = narrow();
    await train(model, { ...small, data: data(), activationHistory });
    weights.push(model.getWeights().map(weight => [...weight.dataSync()]));
    model.dispose();
    if (weights.length > 1) t.is(tf.memory().numTensors, before);
  }
  for (const each of weights.slice(1)) t.deepEqual(each, weights[0]);
});

torchTest('a checkpoint on the way keeps the history, also as bytes', async t => {
  const model = narrow();
  const options = {
    ...small,
    data: data(),
    activationHistory: 'every-epoch',
    checkpoints: 'every-epoch',
  } as const;
  for await (const event of train(model, options)) {
    if (event.type !== 'checkpoint' || event.state.epoch !== 2) continue;
    const state = decodeState(encodeState(event.state));
    t.deepEqual(state.epochs, event.state.epochs);
    t.is(state.epochs[1]!.activations!.length, 4);
    const { epochs } = await train(narrow(), { ...options, from: state });
    t.deepEqual(epochs.slice(0, 2), state.epochs);
    t.is(epochs[2]!.activations!.length, 4);
    break;
  }
  model.dispose();
});

torchTest('prune hands the option to every training', async t => {
  const model = narrow();
  const { steps } = await prune(model, {
    steps: [10],
    train: { ...small, epochs: 1 },
    data: data(),
    activationHistory: 'every-epoch',
  });
  t.is(steps[0]!.epochs[0]!.activations!.length, 4);
  for (const step of steps) step.model.dispose();
  model.dispose();
});

test.serial('an unknown word is refused', t => {
  const model = narrow();
  const activationHistory = 'always' as never;
  const expected = {
    instanceOf: OptionsError,
    message:
      /activationHistory: Invalid option: expected one of "none"\|"warnings"\|"every-epoch", got "always"/,
  };
  t.throws(() => train(model, { data: data(), activationHistory }), expected);
  t.throws(() => prune(model, { data: data(), train: { epochs: 1 }, activationHistory }), expected);
  model.dispose();
});
