/** The zoo bundles for a browser without a module of Node and calculates there what it does here. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { zoo } from '../../src/index.js';
import { browserTest, launch } from '../support/chromium.js';
import { largest, within } from '../support/closeness.js';
import '../support/engine.js'; // chooses the engine before the first network is built
import { bundled } from '../support/bundled.js';
import { noise } from '../support/fixture.js';
import type { Question } from './browserPage.js';

const WASM = new URL('../../../node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url);
const ORIGIN = 'http://padezoo.test';

const bundle = () => bundled(fileURLToPath(new URL('./browserPage.js', import.meta.url)));

test.serial('zoo/ bundles for a browser', async t => {
  t.true((await bundle()).length > 100_000);
});

const NETWORKS = [
  ['lenet', 'pau'],
  ['vgg8', 'pau'],
  ['mobileNetV2', 'pau'],
  ['resnet18', 'lrelu:0.1'],
] as const;

browserTest('the logits in headless Chromium, on wasm, are those of the engine in Node', async t => {
  const script = await bundle();
  const instance = await launch();
  try {
    const page = await instance.newPage();
    await page.route(`${ORIGIN}/**`, async route => {
      const { pathname } = new URL(route.request().url());
      if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: '<!doctype html>' });
      const body = await readFile(new URL(basename(pathname), WASM));
      return route.fulfill({ contentType: 'application/wasm', body });
    });
    await page.goto(`${ORIGIN}/`);
    await page.addScriptTag({ content: script });
    for (const [network, activation] of NETWORKS) {
      const model = zoo.create(network, { activation, seed: 5 });
      const shape = model.inputs[0]!.shape.slice(1) as number[];
      const pixels = noise(2 * tf.util.sizeFromShape(shape), 1, 7);
      const here = tf.tidy(() => (model.predict(tf.tensor(pixels, [2, ...shape])) as tf.Tensor).dataSync());
      model.dispose();
      const question: Question = { network, activation, pixels: [...pixels] };
      const there = await page.evaluate(
        asked => (globalThis as unknown as { logits(asked: Question): Promise<number[]> }).logits(asked),
        question,
      );
      within(t, network, there, here, { tolerance: 1e-3, scale: Math.min(1, largest(here)) });
    }
  } finally {
    await instance.close();
  }
});
