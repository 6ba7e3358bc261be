/** Hard inputs from the ranges that training recorded. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { load, OptionsError, pau, publish, verify } from '../../src/index.js';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { graphModelFiles } from '../../src/publish/graphModel/write.js';
import { layersFiles } from '../../src/publish/layersModel.js';
import { withExtremes } from '../../src/publish/parity/extremes.js';
import { parityInputs } from '../../src/publish/parity/inputs.js';
import { trainedRanges } from '../../src/publish/ranges.js';
import { saveCheckpoint } from '../../src/publish/saveCheckpoint.js';
import { placeFiles } from '../../src/publish/writeBundle.js';
import { remember } from '../../src/training/provenance.js';
import '../support/engine.js';
import { squares } from '../support/images.js';
import { description, smallNetwork, temporaryFolder, textOf } from './fixtures.js';
import { knowingLenet } from './published.js';

const SHAPE = [32, 32, 1];
const constant = (value: number) => layers.initializers.constant({ value });

test.serial('images are stretched until the ranges that training recorded are reached', async t => {
  const model = knowingLenet();
  const before = tf.memory().numTensors;
  const plain = await parityInputs(SHAPE, {});
  // act1 reads a convolution, which is linear but for its bias: thrice the image is thrice its input.
  const easy = await withExtremes(plain, model, [{ layer: 'act1', min: -1e-3, max: 1e-3 }]);
  t.is(easy.hard, plain.hard);
  t.deepEqual(easy.extremes, { recorded: 1, reached: 1 });
  const ends = tf.tidy(() => {
    const images = tf.concat([...plain.batches]);
    const y = (model.getLayer('conv1').apply(images) as tf.Tensor).dataSync() as Float32Array;
    return { min: y.reduce((a, b) => Math.min(a, b)), max: y.reduce((a, b) => Math.max(a, b)) };
  });
  const far = await withExtremes(easy, model, [{ layer: 'act1', min: 2 * ends.min, max: 2 * ends.max }]);
  t.deepEqual(far.extremes, { recorded: 1, reached: 1 });
  t.true(far.hard > plain.hard);
  t.is(far.batches.at(-1)!.shape[0], far.hard);
  tf.dispose([...far.batches]);
  t.is(tf.memory().numTensors, before);
  model.dispose();
});

test.serial(
  'a range beyond all images is told as not reached, and a layer that is not there is none',
  async t => {
    const model = knowingLenet();
    const inputs = await withExtremes(await parityInputs(SHAPE, {}), model, [
      { layer: 'act1', min: -1e9, max: 1e9 },
      { layer: 'act2', min: 0, max: 0 },
      { layer: 'nobody', min: 0, max: 0 },
    ]);
    t.deepEqual(inputs.extremes, { recorded: 2, reached: 1 });
    tf.dispose([...inputs.batches]);
    model.dispose();
  },
);

test.serial('an activation that is called twice has reached what any of its calls has', async t => {
  const { conv2d, flatten, dense } = layers.layers;
  const image = layers.input({ shape: SHAPE });
  const apply = (layer: layers.layers.Layer, x: layers.SymbolicTensor) =>
    layer.apply(x) as layers.SymbolicTensor;
  const shared = pau().layer('shared');
  // The first call sees the image as it is, the second a thousand times as much.
  const bent = apply(shared, image);
  const far = apply(conv2d({ filters: 1, kernelSize: 1, kernelInitializer: constant(1000) }), image);
  const sum = layers.layers.add().apply([bent, apply(shared, far)]) as layers.SymbolicTensor;
  const model = layers.model({ inputs: image, outputs: apply(dense({ units: 2 }), apply(flatten(), sum)) });
  // A call that the network has no part in is not run: it would read nothing.
  apply(shared, layers.input({ shape: [4, 4, 1] }));
  const before = tf.memory().numTensors;
  const plain = await parityInputs(SHAPE, {});
  const inputs = await withExtremes(plain, model, [{ layer: 'shared', min: -900, max: 900 }]);
  t.deepEqual(inputs.extremes, { recorded: 1, reached: 1 });
  t.is(inputs.hard, plain.hard);
  tf.dispose([...inputs.batches]);
  t.is(tf.memory().numTensors, before);
  model.dispose();
});

test.serial(
  'recorded ranges of layers that are no activations are left out, in a forged bundle too',
  async t => {
    const folder = await temporaryFolder(t);
    const model = smallNetwork(); // an image, an addition, a dense layer
    const graph = graphModelFiles(graphOf(model), { version: '0' });
    const files = new Map(await layersFiles(model));
    for (const [path, bytes] of graph) files.set(`graph/${path}`, bytes);
    const names = model.layers.map(({ name }) => name);
    const forged = { ...description, trainingRanges: names.map(layer => ({ layer, min: -1e9, max: 1e9 })) };
    await placeFiles(files, forged, join(folder, 'forged'), { archive: false });
    model.dispose();
    const before = tf.memory().numTensors;
    const { ok, problems, parity } = await verify(join(folder, 'forged'));
    t.deepEqual({ ok, problems }, { ok: true, problems: [] });
    t.deepEqual(
      parity?.formats.map(({ format }) => format),
      ['layers', 'graph'],
    );
    t.is(tf.memory().numTensors, before);
  },
);

test.serial('when the extremes cannot be found, the images are disposed', async t => {
  const model = knowingLenet();
  const before = tf.memory().numTensors;
  const inputs = await parityInputs([28, 28, 1], {}); // not what the network takes
  await t.throwsAsync(withExtremes(inputs, model, [{ layer: 'act2', min: 0, max: 0 }]), { message: /shape/ });
  t.is(tf.memory().numTensors, before);
  model.dispose();
});

test.serial('one image that is given does not let images be made that are too large', async t => {
  const before = tf.memory().numTensors;
  const shape = [1024, 2049, 1]; // by 1024 values more than is allowed
  const image = tf.zeros([1, ...shape]);
  for (const images of [image, undefined])
    await t.throwsAsync(parityInputs(shape, { images }), {
      instanceOf: OptionsError,
      message: /images of \[1024, 2049, 1\] are too large/,
    });
  image.dispose();
  t.is(tf.memory().numTensors, before);
});

test.serial(
  'a data set whose images are not what the network takes is refused before it is read',
  async t => {
    await t.throwsAsync(parityInputs([28, 28, 1], { data: squares() }), {
      instanceOf: OptionsError,
      message: /squares has images of \[32, 32, 1\], the network takes \[28, 28, 1\]/,
    });
  },
);

test.serial('ranges that training recorded outlive a checkpoint and are on the card', async t => {
  const folder = await temporaryFolder(t);
  const trained = knowingLenet();
  const inputs = { min: -3.5, max: 4.25 };
  remember(trained, { trainingRanges: ['act1', 'act2'].map(layer => ({ layer, ...inputs })) });
  await saveCheckpoint(trained, join(folder, 'run'));
  trained.dispose();
  const model = await load(join(folder, 'run'));
  t.deepEqual(
    trainedRanges(model),
    ['act1', 'act2'].map(layer => ({ layer, ...inputs })),
  );
  const { manifest, directory } = await publish(model, { to: join(folder, 'a'), archive: 'none' });
  t.deepEqual(manifest.trainingRanges, trainedRanges(model));
  t.is(manifest.parity?.inputs.extremes?.recorded, 2);
  const [first] = manifest.ranges!;
  t.true(first!.min <= inputs.min && first!.max >= inputs.max);
  const card = textOf(await readFile(join(directory, 'README.md')));
  t.regex(card, /at the end of training and on the images of the proof/);
  t.regex(card, /drive \d of 2 activations to both ends/);
  t.true((await verify(directory)).ok);
  model.dispose();
});

test.serial('images that are given are proven on beside hard ones of their range', async t => {
  const folder = await temporaryFolder(t);
  const model = knowingLenet();
  const images = tf.randomUniform([20, 32, 32, 1], 0, 255, 'float32', 1);
  const { manifest } = await publish(model, { to: join(folder, 'a'), archive: 'none', images });
  t.true(manifest.parity!.inputs.real >= 256);
  t.is(manifest.parity!.inputs.source, '20 images that were given and noise');
  t.true(manifest.parity!.inputs.hard >= 10);
  t.false(images.isDisposed);
  await t.throwsAsync(publish(model, { to: join(folder, 'b'), images: tf.zeros([4, 28, 28, 1]) }), {
    message: /got images \[4, 28, 28, 1\], expected \[n, 32, 32, 1\]/,
  });
  model.dispose();
});
