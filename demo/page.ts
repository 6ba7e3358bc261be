/** The script of a checkpoint's page: loads the graph beside it, draws its activations, classifies images. Stock tfjs is in the page. */

import type { GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import type * as core from '@tensorflow/tfjs-core';

declare const tf: typeof core & { loadGraphModel: typeof loadGraphModel };

interface Facts {
  readonly inputShape: readonly [number, number, number];
  readonly classes: readonly string[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly activations: readonly {
    readonly layer: string;
    readonly learned: readonly (readonly [number, number])[];
  }[];
  readonly images: readonly { readonly source: string; readonly label: string }[];
}

const facts = JSON.parse(element('facts').textContent ?? '') as Facts;
const [height, width, channels] = facts.inputShape;
/** Runs that the time is the median of. */
const TIMED_RUNS = 5;
const SHOWN_CLASSES = 5;

function element<Kind extends HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

function say(text: string): void {
  element('status').textContent = text;
}

async function start(): Promise<void> {
  drawActivations();
  showImages();
  const wanted = new URLSearchParams(location.search).get('backend');
  for (const backend of wanted ? [wanted] : ['webgl', 'cpu']) {
    if (await tf.setBackend(backend).catch(() => false)) break;
  }
  await tf.ready();
  const model = await tf.loadGraphModel(new URL('../graph/model.json', location.href).href);
  say(`Loaded; runs on ${tf.getBackend()}`);
  document.body.dataset.ready = tf.getBackend();
  const classify = (image: CanvasImageSource) => show(model, pixelsOf(image));
  listen(classify);
  const first = element('images').querySelector('img');
  if (first) {
    await first.decode();
    await classify(first);
  }
}

/** What the network takes, from any picture: resized, grey where it has one channel, normalised. */
function pixelsOf(image: CanvasImageSource): Float32Array {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Float32Array(height * width * channels);
  for (let i = 0; i < height * width; i++) {
    const rgb = [data[4 * i]! / 255, data[4 * i + 1]! / 255, data[4 * i + 2]! / 255];
    const grey = 0.299 * rgb[0]! + 0.587 * rgb[1]! + 0.114 * rgb[2]!;
    for (let c = 0; c < channels; c++) {
      const value = channels === 1 ? grey : rgb[c % 3]!;
      pixels[i * channels + c] = (value - (facts.mean[c] ?? 0)) / (facts.std[c] || 1);
    }
  }
  return pixels;
}

async function show(model: GraphModel, pixels: Float32Array): Promise<void> {
  const image = tf.tensor4d(pixels, [1, height, width, channels]);
  const times: number[] = [];
  let logits: Float32Array | undefined;
  for (let run = 0; run <= TIMED_RUNS; run++) {
    const from = performance.now();
    const y = model.predict(image) as core.Tensor;
    logits = (await y.data()) as Float32Array;
    y.dispose();
    if (run > 0) times.push(performance.now() - from); // the first one compiles shaders
  }
  image.dispose();
  const largest = Math.max(...logits!);
  const powers = Array.from(logits!, value => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  const ranked = powers
    .map((power, i) => ({ name: facts.classes[i] ?? `class ${i}`, share: power / sum }))
    .sort((a, b) => b.share - a.share)
    .slice(0, SHOWN_CLASSES);
  element('result').replaceChildren(...ranked.map(({ name, share }) => bar(name, share)));
  const median = times.sort((a, b) => a - b)[TIMED_RUNS >> 1]!;
  element('time').textContent =
    `${median.toFixed(1)} ms per inference on ${tf.getBackend()}, median of ${TIMED_RUNS}`;
}

function bar(name: string, share: number): HTMLElement {
  const row = document.createElement('div');
  const label = document.createElement('span');
  const track = document.createElement('span');
  const fill = document.createElement('i');
  const amount = document.createElement('span');
  row.className = 'bar';
  label.textContent = name;
  amount.textContent = `${(100 * share).toFixed(1)} %`;
  fill.style.width = `${100 * share}%`;
  track.append(fill);
  row.append(label, track, amount);
  return row;
}

/** Drawing, dropping, choosing and the test images. */
function listen(classify: (image: CanvasImageSource) => Promise<void>): void {
  const canvas = element<HTMLCanvasElement>('draw');
  const context = canvas.getContext('2d')!;
  const clear = () => {
    context.fillStyle = 'black';
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  clear();
  let drawing = false;
  const at = (event: PointerEvent) =>
    [
      (event.offsetX * canvas.width) / canvas.clientWidth,
      (event.offsetY * canvas.height) / canvas.clientHeight,
    ] as const;
  canvas.addEventListener('pointerdown', event => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    context.beginPath();
    context.moveTo(...at(event));
  });
  canvas.addEventListener('pointermove', event => {
    if (!drawing) return;
    [context.lineWidth, context.lineCap, context.lineJoin, context.strokeStyle] = [
      canvas.width / 12,
      'round',
      'round',
      'white',
    ];
    context.lineTo(...at(event));
    context.stroke();
  });
  canvas.addEventListener('pointerup', () => {
    drawing = false;
    void classify(canvas);
  });
  element('clear').addEventListener('click', clear);
  const picture = async (file: Blob | undefined) => {
    if (!file) return;
    const bitmap = await createImageBitmap(file).catch(() => undefined);
    if (!bitmap) {
      say('that file is not a picture');
      return;
    }
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    await classify(bitmap);
  };
  element<HTMLInputElement>('file').addEventListener('change', event => {
    void picture((event.target as HTMLInputElement).files?.[0]);
  });
  document.addEventListener('dragover', event => event.preventDefault());
  document.addEventListener('drop', event => {
    event.preventDefault();
    void picture(event.dataTransfer?.files[0]);
  });
  for (const button of element('images').querySelectorAll('button')) {
    button.addEventListener('click', () => void classify(button.querySelector('img')!));
  }
}

function showImages(): void {
  const buttons = facts.images.map(({ source, label }) => {
    const button = document.createElement('button');
    const image = document.createElement('img');
    const name = document.createElement('span');
    image.src = source;
    image.alt = label;
    name.textContent = label;
    button.append(image, name);
    return button;
  });
  element('images').replaceChildren(...buttons);
}

/** Each curve over the inputs that it sees. */
function drawActivations(): void {
  const SVG = 'http://www.w3.org/2000/svg';
  const [w, h] = [180, 110];
  const figures = facts.activations.map(({ layer, learned }) => {
    const points = learned.filter(([x, y]) => Number.isFinite(x + y));
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const px = (x: number) => ((x - left) / (right - left || 1)) * w;
    const py = (y: number) => h - ((y - low) / (high - low || 1)) * h;
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `-4 -4 ${w + 8} ${h + 8}`);
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', `${layer} from ${left.toPrecision(3)} to ${right.toPrecision(3)}`);
    const line = (d: string, kind: string) => {
      const path = document.createElementNS(SVG, 'path');
      path.setAttribute('d', d);
      path.setAttribute('class', kind);
      svg.append(path);
    };
    if (left < 0 && right > 0) line(`M${px(0)} 0V${h}`, 'axis');
    if (low < 0 && high > 0) line(`M0 ${py(0)}H${w}`, 'axis');
    line(`M${points.map(([x, y]) => `${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join('L')}`, 'curve');
    const figure = document.createElement('figure');
    const caption = document.createElement('figcaption');
    caption.textContent = `${layer}: ${left.toPrecision(3)} to ${right.toPrecision(3)}`;
    figure.append(svg, caption);
    return figure;
  });
  element('activations').replaceChildren(...figures);
}

start().catch((error: unknown) => {
  say(`cannot run: ${error instanceof Error ? error.message : String(error)}`);
  document.body.dataset.failed = 'true';
});
