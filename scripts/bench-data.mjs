/**
 * Measures the data set's decoding (decode, random crop to 224, flip) of JPEGs like ImageNet's: images a CPU second of each
 * decoder beside sharp's own resize and torchvision's, whole epochs by one and more workers, and the share of the time for
 * which a training step waits.
 *
 *   node scripts/bench-data.mjs [--images 600] [--rounds 5] [--workers 1,2|none] [--step mobileNetV2|none] [--python python3]
 *
 * torchvision is measured where PADEZOO_PYTHON (or --python) has it (scripts/bench-data.py). For the first table, start it with
 * `taskset -c 0`: on one core sharp's threads do not pay for waking each other on another.
 */
import { spawn } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { imageAddon } from '../dist/datasets/images/addon.js';
import { decodeInto } from '../dist/datasets/images/decode.js';
import { decodedBatches, StreamOptions } from '../dist/datasets/images/stream.js';
import { randomResizedCrop, viewOf } from '../dist/datasets/images/views.js';
import { checkTrainOptions, trainOrder } from '../dist/datasets/order.js';
import { RandomStream } from '../dist/src/random.js';

const { values: options } = parseArgs({
  options: {
    images: { type: 'string', default: '600' },
    rounds: { type: 'string', default: '5' },
    workers: { type: 'string', default: '1,2' },
    step: { type: 'string', default: 'mobileNetV2' },
    python: { type: 'string', default: process.env.PADEZOO_PYTHON ?? 'python3' },
  },
});
const [images, rounds] = [options.images, options.rounds].map(Number);
const [SIZE, BATCH] = [224, 32];
const STEPS = 12;
const COPIES = 20; // of each file in the data set
const WARM = 1 / 3; // of an epoch, before its clock starts: V8 compiles each worker's code, once for however many images
const SHAPES = [
  [500, 375],
  [500, 375],
  [375, 500],
  [500, 333],
];
const viewing = randomResizedCrop(SIZE);
const viewFor = index => (width, height) =>
  viewOf(viewing, width, height, () => new RandomStream(1, 'augment', 0, index));

const folder = mkdtempSync(join(tmpdir(), 'padezoo-bench-'));
try {
  const photos = await makePhotos();
  const bytes = photos.reduce((sum, { jpeg }) => sum + jpeg.length, 0);
  const addon = imageAddon();
  console.log(
    `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, sharp ${sharp.versions.sharp}, ` +
      `${addon?.jpeg ? `libjpeg-turbo ${addon.jpeg}, ${addon.instructions}` : 'no libjpeg-turbo'}; ` +
      `${images} JPEGs of ${(bytes / images / 1000).toFixed(0)} kB, medians of ${rounds} interleaved rounds`,
  );
  await compareDecoders(photos, addon); // before TensorFlow.js is loaded, as in a worker: its objects make collections longer
  if (options.workers !== 'none') await compareWorkers(addon);
  if (options.step !== 'none') await measureStall();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One thread each, files in memory. */
async function compareDecoders(photos, addon) {
  const out = new Uint8Array(SIZE * SIZE * 3);
  const by = decoder => async () => {
    for (const [i, { jpeg }] of photos.entries())
      await decodeInto(jpeg, { orientation: 'ignore', decoder }, viewFor(i), out);
  };
  const contenders = {
    ...(addon?.jpeg && { 'native lane': cpuOf(by('native')) }),
    'sharp lane, exact resampler': cpuOf(by('sharp')),
    'sharp, its own resize': cpuOf(() => bySharpAlone(photos)),
  };
  const peer = await startPeer(photos);
  if (peer?.kinds.includes('io'))
    contenders['torchvision.io, transforms v2'] = async () => (await peer.ask('io')).cpu;
  if (peer?.kinds.includes('pil'))
    contenders['Pillow, torchvision transforms'] = async () => (await peer.ask('pil')).cpu;
  const seconds = new Map(Object.keys(contenders).map(name => [name, []]));
  for (let round = -1; round < rounds; round++)
    for (const [name, measure] of Object.entries(contenders)) {
      const spent = await measure();
      if (round >= 0) seconds.get(name).push(spent); // the first warms up
    }
  peer?.close();
  console.log(
    `${peer ? `${peer.versions}${peer.problem ? `; torchvision.io: ${peer.problem}` : ''}` : `${options.python} has no torchvision`}\n`,
  );
  console.log('| one thread | images a CPU second [least, most] | native lane to it | it to sharp alone |');
  console.log('|---|---|---|---|');
  // Ratios of the same round, because the machine's speed changes from round to round.
  const ratio = (faster, slower) => {
    if (!seconds.has(faster)) return '-';
    return middle(seconds.get(faster).map((own, round) => seconds.get(slower)[round] / own)).toFixed(2);
  };
  for (const [name, spent] of seconds) {
    const rates = spent.map(each => images / each);
    console.log(
      `| ${name} | ${middle(rates).toFixed(0)} [${Math.min(...rates).toFixed(0)}, ${Math.max(...rates).toFixed(0)}] | ` +
        `${ratio('native lane', name)} | ${ratio(name, 'sharp, its own resize')} |`,
    );
  }
}

function cpuOf(work) {
  return async () => {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
}

/** The fastest way that sharp has: crop before the resize, linear kernel, one thread, no cache. */
async function bySharpAlone(photos) {
  for (const [i, { jpeg, width, height }] of photos.entries()) {
    const { crop, mirror } = viewFor(i)(width, height);
    const image = sharp(jpeg, { sequentialRead: true })
      .extract({ left: crop.x, top: crop.y, width: crop.width, height: crop.height })
      .resize(SIZE, SIZE, { fit: 'fill', kernel: 'linear' });
    if (mirror === 'horizontal') image.flop();
    await image.raw().toBuffer();
  }
}

/** torchvision in a process of its own, which does a round when it is asked; undefined where there is none. */
async function startPeer(photos) {
  const program = fileURLToPath(new URL('bench-data.py', import.meta.url));
  const child = spawn(options.python, [program], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async line => {
    child.stdin.write(`${line}\n`);
    const { value } = await lines.next();
    return value && JSON.parse(value);
  };
  const crops = photos.map(({ width, height }, i) => {
    const { crop, mirror } = viewFor(i)(width, height);
    return [crop.x, crop.y, crop.width, crop.height, mirror === 'horizontal'];
  });
  const answer = await ask(JSON.stringify({ files: photos.map(({ path }) => path), crops }));
  return answer && { ...answer, ask, close: () => child.stdin.end() };
}

/** Epochs by one and more workers: decoded into the ring of shared memory, which is the workers' part, and as tensors of bytes. */
async function compareWorkers(addon) {
  const { engine } = await import('../dist/src/index.js');
  await engine.ready(); // torch where it can be had, as in training
  const counts = options.workers.split(',').map(Number);
  const kinds = [
    ...(addon?.jpeg
      ? [{ name: 'native, decoded', epoch: workers => decodedEpoch({ decoder: 'native', workers }) }]
      : []),
    ...(addon?.jpeg ? ['native', 'sharp'] : ['sharp']).map(decoder => ({
      name: `${decoder}, tensors`,
      epoch: workers => tensorEpoch({ decoder, workers }),
    })),
  ];
  const cases = kinds.flatMap(kind => counts.map(workers => ({ kind, workers, results: [] })));
  for (let round = 0; round < rounds; round++)
    for (const { kind, workers, results } of cases) results.push(await kind.epoch(workers));
  console.log(`\nEpochs, tensors on ${engine.name}:\n`);
  console.log('| epoch | images a second | to one worker | images a CPU second | cores got |');
  console.log('|---|---|---|---|---|');
  for (const { kind, workers, results } of cases) {
    const one = cases.find(other => other.kind === kind && other.workers === counts[0]).results;
    const ratio = middle(results.map(({ rate }, round) => rate / one[round].rate));
    console.log(
      `| ${kind.name}, ${workers} worker${workers === 1 ? '' : 's'} | ${middle(results.map(({ rate }) => rate)).toFixed(0)} | ` +
        `${ratio.toFixed(2)} | ${middle(results.map(({ cpuRate }) => cpuRate)).toFixed(0)} | ` +
        `${middle(results.map(({ rate, cpuRate }) => rate / cpuRate)).toFixed(2)} |`,
    );
  }
}

/** Read and decoded, batch by batch in order, into the ring of shared memory. */
function decodedEpoch({ decoder, workers }) {
  const files = readdirSync(join(folder, 'class')).map(name => join(folder, 'class', name));
  const split = {
    length: files.length,
    location: row => ({ container: files[row], offset: 0, bytes: null }),
    label: () => 0,
    describe: row => files[row],
  };
  const summary = { images: 0, bad: [], waitedMs: 0, totalMs: 0 };
  const order = trainOrder(
    split.length,
    checkTrainOptions({ batchSize: BATCH, seed: 1, epoch: 0 }, split.length, 'bench-data'),
  );
  const work = { where: 'bench-data', split, viewing, batchSize: BATCH, order, summary };
  return measured(decodedBatches(work, StreamOptions.parse({ decoder, workers })), summary, {
    warm: WARM * split.length,
  });
}

/** The same through a data set, handed over as tensors. */
async function tensorEpoch({ decoder, workers }, { use = () => {}, pixels = 'uint8', ...timing } = {}) {
  const { datasets, tf } = await import('../dist/src/index.js');
  const data = datasets.imageFolder({ train: folder, test: folder, workers, decoder });
  const batches = data.train({ batchSize: BATCH, seed: 1, epoch: 0, pixels });
  const useAndDispose = async batch => {
    await use(batch);
    tf.dispose([batch.images, batch.labels]);
  };
  return measured(batches, batches.summary, {
    use: useAndDispose,
    warm: WARM * data.length.train,
    ...timing,
  });
}

/** From the first batch after `warm` images to the `most`th after that. */
async function measured(batches, summary, { use = () => {}, warm, most = Infinity }) {
  let began;
  let usage;
  let first = 0;
  let waited = 0;
  let count = 0;
  for await (const batch of batches) {
    await use(batch);
    if (began !== undefined) {
      if (++count === most) break;
    } else if (summary.images >= warm) {
      began = performance.now();
      usage = process.cpuUsage();
      first = summary.images;
      waited = summary.waitedMs;
    }
  }
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(usage);
  const done = summary.images - first;
  return {
    rate: done / seconds,
    cpuRate: done / ((user + system) / 1e6),
    waiting: (summary.waitedMs - waited) / 1000 / seconds,
  };
}

/** A real training step (forward, backward, SGD) on all cores, beside one worker. */
async function measureStall() {
  const { engine, pau, zoo } = await import('../dist/src/index.js');
  const { Recipe } = await import('../dist/src/training/recipe.js');
  const { TrainStep } = await import('../dist/src/training/trainStep.js');
  await engine.use('torch');
  const model = zoo.create(options.step, { activation: pau(), variant: 'imagenet' });
  const step = new TrainStep(model, Recipe.parse({ optimizer: 'sgd' }));
  const times = [];
  const { rate, waiting } = await tensorEpoch(
    { decoder: 'auto', workers: 1 },
    {
      use({ images: pixels, labels }) {
        const started = performance.now();
        step.run(pixels, labels, 1e-4);
        times.push(performance.now() - started);
      },
      pixels: 'float32',
      warm: 0,
      most: STEPS,
    },
  );
  console.log(
    `\n${options.step} with PAUs, batches of ${BATCH}, one worker, ${times.length} steps: a step takes ${middle(times).toFixed(0)} ms, ` +
      `${rate.toFixed(1)} images a second; it waits for images ${(100 * waiting).toFixed(2)} % of the time`,
  );
}

function middle(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Clouds of 1/f noise, shapes with edges, and the noise of a sensor: about the work of a photograph. */
async function makePhotos() {
  mkdirSync(join(folder, 'class'));
  const photos = [];
  for (let k = 0; k < images; k++) {
    const random = new RandomStream(k, 'photo');
    const [width, height] = SHAPES[k % SHAPES.length];
    const sum = new Float32Array(width * height * 3).fill(128);
    for (let cells = 4; cells <= 256; cells *= 2) {
      const [w, h] = [cells, Math.max(2, Math.round((cells * height) / width))];
      const noise = Buffer.from(Array.from({ length: w * h * 3 }, () => random.below(256)));
      const octave = await sharp(noise, { raw: { width: w, height: h, channels: 3 } })
        .resize(width, height, { fit: 'fill', kernel: 'cubic' })
        .raw()
        .toBuffer();
      const strength = 2.2 / Math.sqrt(cells);
      for (let i = 0; i < sum.length; i++) sum[i] += strength * (octave[i] - 128);
    }
    for (let shape = 0; shape < 6; shape++) {
      const [x, y, a, b] = [width, height, width / 4, height / 4].map(most => random.uniform() * most);
      const colour = [0, 1, 2].map(() => 90 * (random.uniform() - 0.5));
      for (let v = Math.max(0, Math.ceil(y - b)); v < Math.min(height, y + b); v++)
        for (let u = Math.max(0, Math.ceil(x - a)); u < Math.min(width, x + a); u++)
          if (((u - x) / a) ** 2 + ((v - y) / b) ** 2 < 1)
            for (let c = 0; c < 3; c++) sum[3 * (v * width + u) + c] += colour[c];
    }
    const raw = Buffer.alloc(sum.length);
    let state = k + 1;
    for (let i = 0; i < sum.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      raw[i] = Math.max(0, Math.min(255, sum[i] + (state >>> 28) - 7.5));
    }
    const jpeg = await sharp(raw, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 90, chromaSubsampling: k % 5 === 0 ? '4:4:4' : '4:2:0' })
      .toBuffer();
    const path = join(folder, 'class', `${k}.jpg`);
    writeFileSync(path, jpeg);
    for (let copy = 1; copy < COPIES; copy++) linkSync(path, join(folder, 'class', `${k}-${copy}.jpg`));
    photos.push({ jpeg, path, width, height });
  }
  return photos;
}
