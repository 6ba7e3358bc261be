/** The page of a bundle, `demo/index.html`: one file beside `graph/` that works from any static server. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { Html, html, pageHead } from '../report/html.js';
import type { ActivationRecord } from '../report/record.js';
import { STYLE } from '../report/style.js';
import type { BundleDescription, Bytes } from './manifest.js';
import type { ParityInputs } from './parity/inputs.js';

export const DEMO_FILE = 'demo/index.html';
/** Test images that can be clicked. */
const IMAGES = 12;
/** Stock TensorFlow.js, in the order in which a page needs it. */
const STOCK = ['tfjs-core', 'tfjs-backend-cpu', 'tfjs-backend-webgl', 'tfjs-converter'];

const NO_ICON = new Html('<link rel="icon" href="data:,">');
const PAGE_STYLE = `
.row { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; }
#draw { width: 224px; height: 224px; border: 1px solid var(--line); border-radius: 8px; touch-action: none; cursor: crosshair; background: black; }
#result { min-width: min(340px, 100%); flex: 1; }
.bar { display: grid; grid-template-columns: 9em 1fr 4.5em; gap: 10px; align-items: center; padding: 3px 0; }
.bar > span:nth-child(2) { background: var(--bar); border-radius: 4px; height: 14px; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--accent); }
.bar > span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
#images, #activations { display: flex; flex-wrap: wrap; gap: 10px; }
#images button { border: 1px solid var(--line); border-radius: 8px; background: var(--panel); color: inherit; padding: 6px; cursor: pointer; font: inherit; width: 92px; }
#images img { width: 64px; height: 64px; image-rendering: pixelated; display: block; margin: 0 auto 4px; }
#images span { font-size: 0.78rem; color: var(--muted); overflow-wrap: anywhere; }
#activations figure { margin: 0; padding: 8px; width: 200px; }
.curve { fill: none; stroke: var(--accent); stroke-width: 2; }
.axis { fill: none; stroke: var(--line); }
.controls { display: flex; gap: 10px; margin-top: 8px; flex-wrap: wrap; max-width: 224px; }
`;

/** @returns the file's path and bytes */
export async function demoFile(
  { architecture, dataset, metrics }: BundleDescription,
  activations: readonly ActivationRecord[],
  inputs: ParityInputs,
): Promise<[string, Bytes]> {
  const facts = {
    inputShape: architecture.inputShape,
    classes: architecture.classes,
    mean: dataset?.mean ?? [],
    std: dataset?.std ?? [],
    activations: activations.map(({ layer, learned }) => ({
      layer,
      learned: learned.map(([x, y]) => [Number(x.toPrecision(6)), Number(y.toPrecision(6))]),
    })),
    images: dataset ? await thumbnails(inputs, architecture.classes, dataset) : [],
  };
  const accuracy =
    metrics.testAccuracy === undefined ? '' : `, ${(100 * metrics.testAccuracy).toFixed(2)} % test accuracy`;
  const scripts = await Promise.all(STOCK.map(stockScript));
  const page = html`${pageHead({ title: architecture.name, style: STYLE + PAGE_STYLE, icon: NO_ICON })}
<body>
<main>
<h1>${architecture.name}</h1>
<p>${metrics.parameters.toLocaleString('en-US')} parameters${accuracy}. <span id="status" role="status">loading</span></p>
<div class="row">
<div>
<canvas id="draw" width="224" height="224" aria-label="Draw here, or drop a picture"></canvas>
<div class="controls"><button id="clear" type="button">Clear</button> <input id="file" type="file" accept="image/*" aria-label="Choose a picture"></div>
</div>
<div id="result" aria-live="polite"></div>
</div>
<p id="time" class="note">Draw, drop a picture, or choose one below.</p>
<h2>Test images</h2>
<div id="images"></div>
<h2>Learned activations</h2>
<div id="activations"></div>
</main>
<script type="application/json" id="facts">${new Html(JSON.stringify(facts).replaceAll('<', '\\u003c'))}</script>
${scripts.map(text => html`<script>${new Html(text)}</script>`)}
<script type="module">${new Html(await pageScript())}</script>
</body>
</html>
`;
  return [DEMO_FILE, new TextEncoder().encode(page.text)];
}

/** A package's own bundle for pages, without the comment that points to its source map. */
async function stockScript(name: string): Promise<string> {
  const main = createRequire(import.meta.url).resolve(`@tensorflow/${name}`);
  const folder = basename(dirname(main)) === 'dist' ? dirname(main) : join(dirname(main), 'dist');
  const text = await readFile(join(folder, `tf-${name.replace('tfjs-', '')}.es2017.min.js`), 'utf8');
  return inlined(text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, ''));
}

async function pageScript(): Promise<string> {
  return inlined(await readFile(new URL('../../demo/page.js', import.meta.url), 'utf8'));
}

/** Nothing in a script may end it. */
const inlined = (text: string): string => text.replaceAll('</script', '<\\/script');

/** The first test images as they look, not as the network takes them. */
async function thumbnails(
  { batches, labels }: ParityInputs,
  classes: readonly string[],
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): Promise<{ source: string; label: string }[]> {
  const [, height, width, channels] = batches[0]!.shape as [number, number, number, number];
  if (channels !== 1 && channels !== 3) return [];
  const { default: sharp } = await import('sharp');
  const values = (await (batches[0] as tf.Tensor).data()) as Float32Array;
  const size = height * width * channels;
  return Promise.all(
    labels.slice(0, IMAGES).map(async (label, image) => {
      const pixels = Uint8Array.from({ length: size }, (_, i) => {
        const channel = i % channels;
        const value = values[image * size + i]! * (std[channel] ?? 1) + (mean[channel] ?? 0);
        return Math.min(255, Math.max(0, Math.round(255 * value)));
      });
      const png = await sharp(pixels, { raw: { width, height, channels } }).png().toBuffer();
      return {
        source: `data:image/png;base64,${png.toString('base64')}`,
        label: classes[label] ?? `class ${label}`,
      };
    }),
  );
}
