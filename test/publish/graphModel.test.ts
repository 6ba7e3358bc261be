/** Stock TensorFlow.js, in a process of its own, calculates from graph/ what the network calculates here. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { channelsFirst } from '../../src/publish/graph/layout.js';
import { GraphRunner } from '../../src/publish/graph/run.js';
import { readGraphModel } from '../../src/publish/graphModel/read.js';
import { graphModelFiles } from '../../src/publish/graphModel/write.js';
import { largest, within } from '../support/closeness.js';
import '../support/engine.js';
import { writtenFiles } from './fixtures.js';
import { imagesFor, NETWORKS } from './networks.js';
import { program } from './program.js';

const stock = (backend: string) =>
  program<{ values: number[]; inputs: number[][] }>(process.execPath, [
    fileURLToPath(new URL('./stockGraph.js', import.meta.url)),
    backend,
  ]);
const [stockWasm, stockCpu] = [stock('wasm'), stock('cpu')];

for (const [name, make] of Object.entries(NETWORKS)) {
  test.serial(`${name}: the graph-model gives the network's logits`, async t => {
    const model = make();
    const images = imagesFor(model);
    const before = tf.memory().numTensors;
    const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
    const graph = graphOf(model);
    const close = { tolerance: 1e-5, scale: largest(expected) };
    const files = new Map(
      [...graphModelFiles(graph, { version: 'test' })].map(([path, bytes]) => [`graph/${path}`, bytes]),
    );
    for (const given of [graph, channelsFirst(graph), readGraphModel('x', files, 'graph')]) {
      const runner = new GraphRunner(given);
      const [logits] = runner.run(images);
      within(t, `${name}, ${given.layout}`, logits!.dataSync(), expected, close);
      runner.dispose();
      logits!.dispose();
    }
    t.is(tf.memory().numTensors, before);
    const folder = await writtenFiles(t, files);
    const ask = model.layers.length < 20 ? stockCpu : stockWasm;
    const { values, inputs } = await ask(join(folder, 'graph'), images);
    within(t, name, values, expected, { ...close, tolerance: 5e-5 });
    t.deepEqual(inputs, [[-1, ...images.shape.slice(1)]]);
    tf.dispose(images);
    model.dispose();
  });
}
