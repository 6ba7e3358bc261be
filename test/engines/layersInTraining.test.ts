/** What layers do only in training, layers with a state, and whole trainings. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { noise } from '../support/fixture.js';
import { BATCH, read, TOLERANCE } from './layerCases.js';

const L = layers.layers;

const RANDOM = {
  dropout: () => L.dropout({ rate: 0.3 }),
  spatialDropout: () => L.dropout({ rate: 0.3, noiseShape: [50, 1, 40] }),
  gaussianDropout: () => L.gaussianDropout({ rate: 0.3 }),
  gaussianNoise: () => L.gaussianNoise({ stddev: 0.2 }),
};
for (const [name, make] of Object.entries(RANDOM))
  torchTest(`${name} keeps the mean in training and does nothing in inference`, t => {
    tf.tidy(() => {
      const x = tf.ones([50, 40, 40]);
      const layer = make();
      const changed = layer.apply(x, { training: true }) as tf.Tensor;
      t.deepEqual((layer.apply(x, { training: false }) as tf.Tensor).dataSync(), x.dataSync());
      t.notDeepEqual(changed.dataSync(), x.dataSync());
      // 80,000 draws with a deviation below 1 (2,000 for the spatial one): 5 deviations of the mean.
      const draws = name === 'spatialDropout' ? 2_000 : 80_000;
      t.true(Math.abs(read(tf.mean(changed))[0]! - 1) < 5 / Math.sqrt(draws));
    });
  });

torchTest('the default initialiser of recurrent layers gives orthogonal weights', t => {
  const layer = L.lstm({ units: 4, inputShape: [5, 3] });
  const model = layers.sequential({ layers: [layer] });
  const product = tf.tidy(() => {
    const recurrent = layer.getWeights()[1] as tf.Tensor2D;
    return read(tf.matMul(recurrent, recurrent, false, true));
  });
  const identity = tf.tidy(() => read(tf.eye(4)));
  within(t, 'W · Wᵀ', product, identity, { tolerance: 1e-5, scale: 1 });
  model.dispose();
});

torchTest('a stateful lstm goes on where the last batch ended, until it is reset', async t => {
  const run = async (backend: string) => {
    await tf.setBackend(backend);
    const model = layers.sequential({
      layers: [
        L.lstm({
          units: 3,
          stateful: true,
          batchInputShape: [BATCH, 4, 2],
          recurrentInitializer: 'glorotNormal',
        }),
      ],
    });
    tf.tidy(() =>
      model.setWeights(model.getWeights().map((w, i) => tf.tensor(noise(w.size, 1, i), w.shape))),
    );
    const predict = () =>
      tf.tidy(() => [
        ...(model.predict(tf.ones([BATCH, 4, 2]), { batchSize: BATCH }) as tf.Tensor).dataSync(),
      ]);
    const answers = [predict(), predict()];
    model.resetStates();
    answers.push(predict());
    model.dispose();
    return answers;
  };
  const expected = await run('cpu');
  const actual = await run('torch');
  within(t, 'states', actual.flat(), expected.flat(), { tolerance: TOLERANCE, scale: 1 });
  t.notDeepEqual(actual[0], actual[1]);
  t.deepEqual(actual[0], actual[2]);
});

const OPTIMIZERS = {
  sgd: () => tf.train.sgd(0.1),
  momentum: () => tf.train.momentum(0.1, 0.9, true),
  adagrad: () => tf.train.adagrad(0.1),
  adadelta: () => tf.train.adadelta(0.5),
  rmsprop: () => tf.train.rmsprop(0.01, 0.9, 0.5),
  adam: () => tf.train.adam(0.02),
  adamax: () => tf.train.adamax(0.02),
};
for (const [name, optimizer] of Object.entries(OPTIMIZERS))
  torchTest(`fit, evaluate and their metrics with ${name}`, async t => {
    const run = async (backend: string) => {
      await tf.setBackend(backend);
      const model = layers.sequential({
        layers: [
          L.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
          L.batchNormalization(),
          L.maxPooling2d({ poolSize: 2 }),
          L.flatten(),
          L.dense({ units: 3, activation: 'softmax' }),
        ],
      });
      tf.tidy(() =>
        model.setWeights(
          model.getWeights().map((w, i) => tf.tensor(noise(w.size, 0.5, i).map(Math.abs), w.shape)),
        ),
      );
      const x = tf.tensor4d(noise(12 * 64, 1, 5), [12, 8, 8, 1]);
      const labels = tf.tensor1d([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], 'int32');
      const y = tf.tidy(() => tf.cast(tf.oneHot(labels, 3), 'float32'));
      model.compile({
        optimizer: optimizer(),
        loss: 'categoricalCrossentropy',
        metrics: ['accuracy', 'mse'],
      });
      const { history } = await model.fit(x, y, {
        epochs: 3,
        batchSize: 5,
        shuffle: false,
        validationSplit: 0.25,
        verbose: 0,
      });
      const scores = model.evaluate(x, y) as tf.Scalar[];
      const numbers = [...Object.values(history).flat(), ...scores.map(score => score.dataSync()[0]!)];
      tf.dispose([x, y, labels, ...scores]);
      model.optimizer.dispose();
      model.dispose();
      return numbers as number[];
    };
    await tf.setBackend('cpu');
    const empty = tf.memory().numTensors;
    const expected = await run('cpu');
    const leftByLayers = tf.memory().numTensors - empty;
    await tf.setBackend('torch');
    const before = tf.memory().numTensors;
    const actual = await run('torch');
    t.is(actual.length, 3 * 6 + 3, 'six series of three epochs, three scores');
    within(t, 'history and scores', actual, expected, { tolerance: 1e-4, scale: Math.max(...expected) });
    t.is(tf.memory().numTensors - before, leftByLayers, 'torch leaves no more tensors than cpu');
  });
