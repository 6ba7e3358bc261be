/** PyTorch, by scripts/load_graph.py alone, calculates from safetensors/ what the network calculates here. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { GraphRunner } from '../../src/publish/graph/run.js';
import { readTorchFiles, torchFiles } from '../../src/publish/torchGraph.js';
import { largest, within } from '../support/closeness.js';
import '../support/engine.js';
import { writtenFiles } from './fixtures.js';
import { DISTINCT, imagesFor, NETWORKS } from './networks.js';
import { program } from './program.js';

const python = process.env.PADEZOO_PYTHON ?? 'python3';
const hasTorch = spawnSync(python, ['-c', 'import torch, safetensors']).status === 0;
const torchTest = (hasTorch ? test.serial : test.serial.skip) as typeof test.serial;

const pathOf = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const ask = program<{ values: number[] }>(python, [
  pathOf('test/publish/torchProgram.py'),
  pathOf('scripts'),
]);

for (const [name, make] of Object.entries(DISTINCT)) {
  torchTest(`${name}: PyTorch gives the network's logits`, async t => {
    const model = make();
    const images = imagesFor(model);
    const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
    const folder = await writtenFiles(t, torchFiles(graphOf(model)));
    const { values } = await ask(`${folder}/safetensors`, images);
    within(t, name, values, expected, { tolerance: 5e-5, scale: largest(expected) });
    images.dispose();
    model.dispose();
  });
}

test.serial('what is read back calculates the same, to the digits of its storage', t => {
  const model = NETWORKS['mobileNetV2 with pau']!();
  const images = imagesFor(model);
  const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
  for (const [storage, tolerance] of [
    ['float32', 1e-5],
    ['float16', 2e-2],
    ['bfloat16', 2e-1],
  ] as const) {
    const runner = new GraphRunner(readTorchFiles('a', torchFiles(graphOf(model), storage)));
    const [logits] = runner.run(images);
    within(t, storage, logits!.dataSync(), expected, { tolerance, scale: largest(expected) });
    runner.dispose();
    logits!.dispose();
  }
  images.dispose();
  model.dispose();
});
