/** What the browser test bundles: padezoo as a page imports it. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { load, tf } from '../../src/browser.js';

async function logits(url: string, shape: number[], values: number[]): Promise<number[]> {
  setWasmPaths('/wasm/');
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend does not start');
  const model = await load(url);
  return [...(model.predict(tf.tensor(values, shape)) as tf.Tensor).dataSync()];
}

Object.assign(globalThis, { logits });
