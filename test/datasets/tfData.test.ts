/** Data sets inside tf.data pipelines and `fitDataset`: the same batches, and no tensor or thread is left. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as tfData from '@tensorflow/tfjs-data';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import type { Dataset } from '../../datasets/dataset.js';
import { datasets } from '../../datasets/index.js';
import { squares } from '../support/images.js';
import { imageFolders } from './photos.js';

const options = { batchSize: 24, seed: 3, epoch: 1 };

/** As docs/datasets.md shows it. */
const wrapped = (data: Dataset) =>
  tfData.generator<tf.TensorContainerObject>(() =>
    (async function* () {
      for await (const { images, labels } of data.train(options)) yield { images, labels };
    })(),
  );

test.before(() => tf.setBackend('cpu'));

test.serial('tf.data gives the batches of `train`, and mapped they leave no tensor', async t => {
  const data = squares({ count: 60 });
  const before = tf.memory().numTensors;
  const expected: number[] = [];
  for await (const { images, labels } of data.train(options)) {
    expected.push(...labels.dataSync());
    tf.dispose([images, labels]);
  }
  const given: number[] = [];
  const pipeline = wrapped(data)
    .map(({ images, labels }: tf.TensorContainerObject) => ({
      xs: tf.mul(images as tf.Tensor, 2),
      ys: labels!,
    }))
    .prefetch(2);
  for (let pass = 0; pass < 2; pass++)
    await pipeline.forEachAsync((batch: tf.TensorContainer) => {
      const { xs, ys } = batch as { xs: tf.Tensor; ys: tf.Tensor };
      t.deepEqual(xs.shape.slice(1), [32, 32, 1]);
      given.push(...ys.dataSync());
      tf.dispose([xs, ys]);
    });
  t.deepEqual(given, [...expected, ...expected], 'each pass asks for the epoch anew');
  t.is(tf.memory().numTensors, before);
});

test.serial('fitDataset trains on it and leaves no tensor behind', async t => {
  const data = squares({ count: 48 });
  const model = layers.sequential({
    layers: [
      layers.layers.flatten({ inputShape: [...data.inputShape] }),
      layers.layers.dense({ units: data.classes.length, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy' });
  const pipeline = wrapped(data).map(({ images, labels }: tf.TensorContainerObject) => ({
    xs: images!,
    ys: tf.oneHot(labels as tf.Tensor1D, data.classes.length, 1, 0, 'float32'),
  }));
  await model.fitDataset(pipeline, { epochs: 1, verbose: 0 });
  const before = tf.memory().numTensors;
  const { history } = await model.fitDataset(pipeline, { epochs: 3, verbose: 0 });
  t.is(tf.memory().numTensors, before);
  t.true(Number(history.loss![2]) < Number(history.loss![0]), `${history.loss}`);
  model.dispose();
});

test.serial('an epoch of encoded images ends its threads, whole or ended early by `limit`', async t => {
  const threads = () => process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length;
  const idle = threads();
  const before = tf.memory().numTensors;
  const whole = datasets.imageFolder({ directory: await imageFolders(), size: 16, resize: 20, workers: 1 });
  for (const [data, images] of [
    [whole, 9],
    [datasets.limit(whole, { train: 4 }), 4],
  ] as const) {
    let seen = 0;
    await wrapped(data).forEachAsync((batch: tf.TensorContainer) => {
      const { images, labels } = batch as { images: tf.Tensor; labels: tf.Tensor };
      seen += labels.size;
      tf.dispose([images, labels]);
    });
    t.is(seen, images);
    t.is(threads(), idle);
  }
  t.is(tf.memory().numTensors, before);
});
