/** A published network in headless Chromium: by stock TensorFlow.js alone, by its own page, and by padezoo's `load`. */
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import test from 'ava';
import type { Browser } from 'playwright-core';
import { readBundle } from '../../src/publish/readBundle.js';
import { bundled } from '../support/bundled.js';
import { browserTest, launch, UNTRUSTED_HOST } from '../support/chromium.js';
import { largest, within } from '../support/closeness.js';
import '../support/engine.js';
import { packed, temporaryFolder } from './fixtures.js';
import { imagesFor } from './networks.js';
import { publishedLenet } from './published.js';
import { serve } from './server.js';

let browser: Browser | undefined;
test.after.always(() => browser?.close());
const page = async () => {
  browser ??= await launch();
  const tab = await browser.newPage({ viewport: { width: 1000, height: 900 } });
  tab.setDefaultTimeout(120_000); // the first page of a browser takes a while on a busy machine
  return tab;
};

const folderOf = (name: string) => {
  const main = dirname(createRequire(import.meta.url).resolve(`@tensorflow/${name}`));
  return main.endsWith('dist') ? main : join(main, 'dist');
};
const STOCK = ['tfjs-core', 'tfjs-backend-cpu', 'tfjs-backend-webgl', 'tfjs-backend-wasm', 'tfjs-converter'];
const stock = Object.fromEntries(STOCK.map(name => [name, folderOf(name)]));

/** What the page's scripts add to its globals. */
type Stock = typeof tf &
  typeof import('@tensorflow/tfjs-converter') & {
    readonly wasm: typeof import('@tensorflow/tfjs-backend-wasm');
  };

function asked(model: LayersModel) {
  const images = imagesFor(model);
  const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
  const question = { shape: images.shape, values: [...images.dataSync()] };
  images.dispose();
  return { expected, question };
}

for (const backend of ['wasm', 'webgl'] as const) {
  browserTest(`a page with stock tfjs alone runs graph/ on ${backend}`, async t => {
    const { model, directory } = await publishedLenet(await temporaryFolder(t), { archive: 'none' });
    const { url } = await serve(t, {
      ...stock,
      wasm: stock['tfjs-backend-wasm']!,
      bundle: directory,
      '': directory,
    });
    const tab = await page();
    await tab.goto(`${url}/blank`);
    for (const name of STOCK)
      await tab.addScriptTag({ url: `${url}/${name}/tf-${name.replace('tfjs-', '')}.min.js` });
    const { expected, question } = asked(model);
    const logits = await tab.evaluate(
      async ({ backend, url, question }) => {
        const { tf } = globalThis as unknown as { tf: Stock };
        tf.wasm.setWasmPaths(`${url}/wasm/`);
        if (!(await tf.setBackend(backend))) throw new Error(`no ${backend}`);
        const network = await tf.loadGraphModel(`${url}/bundle/graph/model.json`);
        const logits = network.predict(tf.tensor(question.values, question.shape)) as tf.Tensor;
        return [...(await logits.data())];
      },
      { backend, url, question },
    );
    within(t, backend, logits, expected, { tolerance: 1e-3, scale: largest(expected) });
    await tab.close();
    model.dispose();
  });
}

browserTest('the page of a bundle classifies test images, drawings and pictures', async t => {
  const { model, directory } = await publishedLenet(await temporaryFolder(t), { archive: 'none' });
  model.dispose();
  const { url, requests } = await serve(t, { '': directory });
  const tab = await page();
  const problems: string[] = [];
  tab.on('pageerror', error => problems.push(error.message));
  tab.on('console', message => message.type() === 'error' && problems.push(message.text()));
  await tab.goto(`${url}/demo/index.html`);
  await tab.waitForSelector('body[data-ready]');
  t.is(await tab.getAttribute('body', 'data-ready'), 'webgl');
  await tab.waitForSelector('#result .bar');
  t.is(await tab.locator('#images img').count(), 12);
  t.is(await tab.locator('#activations svg').count(), 4);
  t.is(await tab.locator('#result .bar').count(), 4);
  t.regex((await tab.textContent('#time')) ?? '', /^\d+\.\d ms per inference on webgl/);
  const shown = () => tab.locator('#result').textContent();
  const first = await shown();
  await tab.mouse.move(0, 0);
  const canvas = (await tab.locator('#draw').boundingBox())!;
  await tab.mouse.move(canvas.x + 40, canvas.y + 40);
  await tab.mouse.down();
  await tab.mouse.move(canvas.x + 180, canvas.y + 190, { steps: 8 });
  await tab.mouse.up();
  await tab.waitForFunction(before => document.getElementById('result')!.textContent !== before, first);
  const drawn = await shown();
  const png = await readFile(join(directory, 'figures/act1.png'));
  await tab.setInputFiles('#file', { name: 'a.png', mimeType: 'image/png', buffer: png });
  await tab.waitForFunction(before => document.getElementById('result')!.textContent !== before, drawn);
  t.deepEqual(problems, []);
  t.deepEqual(
    requests.filter(path => !path.startsWith('/graph/')),
    ['/demo/index.html'],
    'the page asks for nothing but the graph',
  );
  if (process.env.PADEZOO_SCREENSHOT)
    await writeFile(process.env.PADEZOO_SCREENSHOT, await tab.screenshot({ fullPage: true }));
  await tab.close();
});

/** A page that has padezoo's `load`, and what it answers for an address. */
async function loadingPage(url: string) {
  const tab = await page();
  await tab.goto(`${url}/blank`);
  await tab.addScriptTag({
    content: await bundled(fileURLToPath(new URL('./browserPage.js', import.meta.url))),
  });
  const ask = (address: string, question: { shape: number[]; values: number[] }) =>
    tab.evaluate(
      ({ address, question }) =>
        (globalThis as unknown as { logits(...given: unknown[]): Promise<number[]> }).logits(
          address,
          question.shape,
          question.values,
        ),
      { address, question },
    );
  return { tab, ask };
}

browserTest('load works in a page, without a module of Node, and checks every digest', async t => {
  const { model, directory } = await publishedLenet(await temporaryFolder(t), { archive: 'none' });
  const { url, requests } = await serve(t, { wasm: stock['tfjs-backend-wasm']!, '': directory });
  const { tab, ask } = await loadingPage(url);
  const { expected, question } = asked(model);
  within(t, 'load', await ask('/', question), expected, { tolerance: 1e-4, scale: largest(expected) });
  t.false(
    requests.some(path => path.startsWith('/graph/')),
    'it fetches no format but its own',
  );
  const weights = await readFile(join(directory, 'layers/weights.bin'));
  weights[1000]! ^= 1;
  await writeFile(join(directory, 'layers/weights.bin'), weights);
  const error = await t.throwsAsync(ask('/', question));
  t.regex(error!.message, /layers\/weights\.bin has sha256/);
  await tab.close();
  model.dispose();
});

browserTest('a page that browsers do not trust is told why nothing can be checked there', async t => {
  const { model, directory } = await publishedLenet(await temporaryFolder(t), { archive: 'none' });
  const { url } = await serve(t, { wasm: stock['tfjs-backend-wasm']!, '': directory });
  const { port } = new URL(url);
  const { tab, ask } = await loadingPage(`http://${UNTRUSTED_HOST}:${port}`);
  const error = await t.throwsAsync(ask('/', asked(model).question));
  t.regex(
    error!.message,
    new RegExp(`${UNTRUSTED_HOST}:${port}: browsers have it on https: and localhost pages only`),
  );
  await tab.close();
  model.dispose();
});

browserTest(
  'load unpacks an archive in a page, and refuses one that is damaged, goes on or is a bomb',
  async t => {
    const folder = await temporaryFolder(t);
    const { model, archive } = await publishedLenet(folder);
    const { url } = await serve(t, { wasm: stock['tfjs-backend-wasm']!, '': folder });
    const { tab, ask } = await loadingPage(url);
    const { expected, question } = asked(model);
    within(t, 'archive', await ask('lenet.tar.gz', question), expected, {
      tolerance: 1e-4,
      scale: largest(expected),
    });
    const bytes = await readFile(archive!);
    const flipped = Buffer.from(bytes);
    flipped[bytes.length >> 1]! ^= 1;
    // As another program would pack it, without our digest of the whole: the files' own are left.
    const files = await readBundle(archive!).then(bundle => bundle.files);
    const weights = Uint8Array.from(files.get('layers/weights.bin')!);
    weights[7]! ^= 1;
    const forged = gzipSync(gunzipSync(await packed(new Map(files).set('layers/weights.bin', weights))));
    const cases: [Uint8Array, RegExp][] = [
      [flipped, /its bytes are not those that were published/],
      [forged, /layers\/weights\.bin has sha256/],
      [forged.subarray(0, -9), /the archive is damaged|the archive .*cut short/],
      [Buffer.concat([forged, Buffer.from('x')]), /the archive is damaged/],
      [gzipSync(Buffer.alloc(80 * 2 ** 20)), /unpacks to more than 67108864/],
      [Buffer.from('not an archive at all'), /the archive is damaged/],
    ];
    for (const [damaged, message] of cases) {
      await writeFile(join(folder, 'damaged.tar.gz'), damaged);
      const error = await t.throwsAsync(ask('/damaged.tar.gz', question));
      t.regex(error!.message, message);
    }
    await tab.close();
    model.dispose();
  },
);
