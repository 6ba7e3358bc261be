/**
 * A program that knows nothing of padezoo: stock TensorFlow.js loads graph-models and runs them on an image.
 * `node stockGraph.js BACKEND` reads JSON lines `{ folder, shape, values }` and answers each with the logits.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';

/** Stock tfjs knows no files, but any `fetch`. */
async function load(folder: string): Promise<GraphModel> {
  const fetchFunc = async (url: string) =>
    new Response(new Uint8Array(await readFile(join(folder, url.split('/').at(-1)!))));
  return loadGraphModel(tf.io.http('http://localhost/model.json', { fetchFunc: fetchFunc as never }));
}

if (!(await tf.setBackend(process.argv[2]!))) throw new Error(`no backend ${process.argv[2]}`);
for await (const line of createInterface({ input: process.stdin })) {
  const { folder, shape, values } = JSON.parse(line) as { folder: string; shape: number[]; values: number[] };
  const model = await load(folder);
  const logits = tf.tidy(() => {
    const y = model.predict(tf.tensor(values, shape)) as tf.Tensor;
    return { shape: y.shape, values: [...y.dataSync()] };
  });
  model.dispose();
  process.stdout.write(`${JSON.stringify({ ...logits, inputs: model.inputs.map(input => input.shape) })}\n`);
}
