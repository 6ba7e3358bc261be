/** ONNX Runtime calculates from onnx/ what the network calculates here. */
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import * as ort from 'onnxruntime-node';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { GraphRunner } from '../../src/publish/graph/run.js';
import { readOnnx } from '../../src/publish/onnx/read.js';
import { onnxFile } from '../../src/publish/onnx/write.js';
import { largest, within } from '../support/closeness.js';
import '../support/engine.js';
import { DISTINCT, imagesFor } from './networks.js';

async function logits(file: Uint8Array, images: tf.Tensor): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(file);
  const first = tf.tidy(() => tf.transpose(images, [0, 3, 1, 2]));
  const feed = new ort.Tensor('float32', first.dataSync() as Float32Array, first.shape);
  first.dispose();
  const results = await session.run({ [session.inputNames[0]!]: feed });
  await session.release();
  return results[session.outputNames[0]!]!.data as Float32Array;
}

for (const [name, make] of Object.entries(DISTINCT)) {
  test.serial(`${name}: ONNX Runtime gives the network's logits`, async t => {
    const model = make();
    const graph = graphOf(model);
    for (const batch of model.layers.length < 60 ? [2, 3] : [3]) {
      const images = imagesFor(model, batch);
      const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
      const close = { tolerance: 5e-5, scale: largest(expected) };
      const file = onnxFile(graph, { version: 'test', functions: batch === 3 });
      within(t, name, await logits(file, images), expected, close);
      const runner = new GraphRunner(readOnnx('x', file));
      const [ours] = runner.run(images);
      within(t, `${name}, read back`, ours!.dataSync(), expected, close);
      runner.dispose();
      ours!.dispose();
      images.dispose();
    }
    model.dispose();
  });
}
