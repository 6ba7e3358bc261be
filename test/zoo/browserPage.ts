/** What the browser test bundles: the zoo on tfjs's wasm backend, as a page would use it. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { zoo } from '../../zoo/index.js';

export interface Question {
  readonly network: string;
  readonly activation: string;
  /** Of a batch of two. */
  readonly pixels: number[];
}

async function logits({ network, activation, pixels }: Question): Promise<number[]> {
  setWasmPaths('/wasm/');
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend does not start');
  const model = zoo.create(network, { activation, seed: 5 });
  const [, ...shape] = model.inputs[0]!.shape as number[];
  return [...(model.predict(tf.tensor(pixels, [2, ...shape])) as tf.Tensor).dataSync()];
}

Object.assign(globalThis, { logits });
