/** Stock TensorFlow.js, in a process of its own, calculates from graph/ what the network calculates here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import test, { type ExecutionContext } from 'ava';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { channelsFirst } from '../../src/publish/graph/layout.js';
import { GraphRunner } from '../../src/publish/graph/run.js';
import { graphModelFiles } from '../../src/publish/graphModel.js';
import type { Bytes } from '../../src/publish/manifest.js';
import { largest, within } from '../support/closeness.js';
import '../support/engine.js';
import { temporaryFolder } from './fixtures.js';
import { imagesFor, NETWORKS } from './networks.js';

/** The stock program on one backend; one question at a time. */
function stock(backend: string) {
  let child: ChildProcess | undefined;
  let answers: AsyncIterator<string> | undefined;
  test.after.always(() => {
    child?.stdin?.end();
  });
  return async (folder: string, images: tf.Tensor): Promise<{ values: number[]; inputs: number[][] }> => {
    if (!child || !answers) {
      const program = fileURLToPath(new URL('./stockGraph.js', import.meta.url));
      child = spawn(process.execPath, [program, backend], { stdio: ['pipe', 'pipe', 'inherit'] });
      answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    }
    child.stdin!.write(
      `${JSON.stringify({ folder, shape: images.shape, values: [...images.dataSync()] })}\n`,
    );
    const { value } = await answers.next();
    return JSON.parse(value as string);
  };
}
const stockWasm = stock('wasm');
const stockCpu = stock('cpu');

async function written(t: ExecutionContext, files: ReadonlyMap<string, Bytes>): Promise<string> {
  const folder = join(await temporaryFolder(t), 'graph');
  await mkdir(folder);
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
  return folder;
}

for (const [name, make] of Object.entries(NETWORKS)) {
  test.serial(`${name}: the graph-model gives the network's logits`, async t => {
    const model = make();
    const images = imagesFor(model);
    const before = tf.memory().numTensors;
    const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
    const graph = graphOf(model);
    const close = { tolerance: 1e-5, scale: largest(expected) };
    for (const given of [graph, channelsFirst(graph)]) {
      const runner = new GraphRunner(given);
      const [logits] = runner.run(images);
      within(t, `${name}, ${given.layout}`, logits!.dataSync(), expected, close);
      runner.dispose();
      logits!.dispose();
    }
    t.is(tf.memory().numTensors, before);
    const folder = await written(t, graphModelFiles(graph, { version: 'test' }));
    const ask = model.layers.length < 20 ? stockCpu : stockWasm;
    const { values, inputs } = await ask(folder, images);
    within(t, name, values, expected, { ...close, tolerance: 5e-5 });
    t.deepEqual(inputs, [[-1, ...images.shape.slice(1)]]);
    tf.dispose(images);
    model.dispose();
  });
}
