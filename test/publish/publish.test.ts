/** Publishing: what is written, that it is proven, that a difference stops it and is named, and that others can load it. */
import { execFile } from 'node:child_process';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import test from 'ava';
import {
  compare,
  engine,
  load,
  ParityError,
  provenanceOf,
  prune,
  publish,
  summary,
  UnpublishableLayerError,
  verify,
  zoo,
} from '../../src/index.js';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { graphModelFiles } from '../../src/publish/graphModel/write.js';
import { ladderOf } from '../../src/publish/ladder.js';
import { layersFiles } from '../../src/publish/layersModel.js';
import { FORMATS } from '../../src/publish/manifest.js';
import { onnxFile } from '../../src/publish/onnx/write.js';
import { parityInputs } from '../../src/publish/parity/inputs.js';
import { prove } from '../../src/publish/parity/prove.js';
import { readFolder } from '../../src/publish/readFolder.js';
import { torchFiles } from '../../src/publish/torchGraph.js';
import { remember } from '../../src/training/provenance.js';
import { torchTest } from '../support/engine.js';
import { squares } from '../support/images.js';
import { smallNetwork, temporaryFolder } from './fixtures.js';
import { knowingLenet, publishedLenet } from './published.js';
import { serve } from './server.js';

const run = promisify(execFile);
const root = resolve(fileURLToPath(import.meta.url), '../../../..');

torchTest('a network of an engine in bf16 is proven in float32, by publish and by verify', async t => {
  await engine.use('torch', { precision: 'bf16' });
  t.teardown(() => engine.use('torch'));
  const { directory, manifest } = await publishedLenet(await temporaryFolder(t));
  t.true(manifest.parity!.formats.every(record => record.maxRelativeError <= 1e-5));
  t.true((await verify(directory)).ok);
  t.regex(engine.describe(), /bf16$/);
});

test.serial('every format is proven, and the card says so', async t => {
  const folder = await temporaryFolder(t);
  const before = tf.memory().numTensors;
  const { model, directory, manifest } = await publishedLenet(folder, {
    storage: ['float16', 'uint8', 'bfloat16'],
    licence: 'mit',
  });
  t.is(tf.memory().numTensors, before + model.weights.length);
  const { parity, variants, ranges } = manifest;
  t.deepEqual(
    parity?.formats.map(({ format }) => format),
    [...FORMATS],
  );
  t.true(parity!.formats.every(record => record.maxRelativeError <= 1e-5 && record.topOneAgreement === 1));
  t.true(parity!.inputs.real >= 256 && parity!.inputs.hard >= 10);
  t.is(parity!.inputs.source, '128 squares test images and noise'); // it has no more
  t.deepEqual(
    variants?.map(({ folder: name }) => name),
    ['graph-float16', 'graph-uint8', 'safetensors-bfloat16'],
  );
  t.true(variants!.every(variant => variant.testAccuracy !== undefined && variant.bytes < 200_000));
  t.deepEqual(
    ranges?.map(({ layer }) => layer),
    ['act1', 'act2', 'act3', 'act4'],
  );
  const card = await readFile(join(directory, 'README.md'), 'utf8');
  for (const said of [
    'license: "mit"',
    'model-index:',
    'value: 0.5',
    '| onnx |',
    'graph-uint8',
    'act4',
    'seed 3',
  ])
    t.true(card.includes(said), said);
  t.is(JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')).num_labels, 4);
  const verified = await verify(directory);
  t.deepEqual(verified.problems, []);
  t.is(verified.parity?.formats.length, 4);
  t.is(tf.memory().numTensors, before + model.weights.length);
  model.dispose();
});

test.serial('folding batch normalisation is as good, and its error is written down', async t => {
  const model = zoo.resnet18({ width: 0.1, activation: 'pau' });
  const { manifest, directory } = await publish(model, {
    to: join(await temporaryFolder(t), 'a'),
    batchNorm: 'fold',
    onnx: 'functions',
    archive: 'none',
  });
  t.is(manifest.folding?.layers, 20);
  t.true(manifest.folding!.maxRelativeError < 1e-4);
  t.false((await readFile(join(directory, 'graph/model.json'), 'utf8')).includes('FusedBatchNorm'));
  t.true((await readFile(join(directory, 'onnx/model.onnx'))).includes('Pade_5_4_absolute_sum'));
  t.deepEqual((await verify(directory)).problems, []);
  model.dispose();
});

for (const format of ['graph', 'onnx', 'safetensors'] as const) {
  test.serial(`${format} made of another weight is not published, and the layer is named`, async t => {
    const model = knowingLenet();
    const other = knowingLenet();
    const kernel = other.getLayer('conv2').getWeights()[0]!;
    other.getLayer('conv2').setWeights([tf.mul(kernel, 1.01), other.getLayer('conv2').getWeights()[1]!]);
    const graph = graphOf(other);
    const files = await layersFiles(model);
    for (const [path, bytes] of graphModelFiles(graph, { version: '0' })) files.set(`graph/${path}`, bytes);
    files.set('onnx/model.onnx', onnxFile(graph, { version: '0' }));
    for (const [path, bytes] of torchFiles(graph)) files.set(path, bytes);
    const inputs = await parityInputs([32, 32, 1], {});
    const error = await t.throwsAsync(
      prove(model, 'x', files, ['layers', format], inputs, { nodeOf: graph.layers }),
      {
        instanceOf: ParityError,
      },
    );
    t.is(error!.layer, 'conv2');
    t.is(error!.format, format);
    t.true(error!.agreement.maxRelativeError > 1e-4);
    tf.dispose([...inputs.batches]);
    model.dispose();
    other.dispose();
  });
}

test.serial(
  'verify names the format and the layer of a bundle whose digests are right but whose weights are not',
  async t => {
    const { model, directory } = await publishedLenet(await temporaryFolder(t), { archive: 'none' });
    const other = knowingLenet();
    other.getLayer('logits').setWeights([tf.zeros([84, 4]), tf.zeros([4])]);
    const { bundleFiles } = await import('../../src/publish/writeBundle.js');
    const { describe } = await import('../../src/publish/describe.js');
    const { files } = await readFolder(directory, () => true);
    files.set('onnx/model.onnx', onnxFile(graphOf(other), { version: '0' }));
    for (const path of ['padezoo.json', 'SHA256SUMS', 'README.md', 'config.json']) files.delete(path);
    for (const [path, bytes] of await bundleFiles(files, describe(model), 'x', '0'))
      await writeFile(join(directory, path), bytes);
    const { ok, problems } = await verify(directory);
    t.false(ok);
    t.deepEqual(
      problems.map(({ file }) => file),
      ['onnx/model.onnx'],
    );
    t.regex(problems[0]!.problem, /is not what layers\/ calculates.*'logits'/);
    model.dispose();
    other.dispose();
  },
);

test.serial('one flipped byte in any file is found and named', async t => {
  const { model, directory, manifest } = await publishedLenet(await temporaryFolder(t), { archive: 'none' });
  model.dispose();
  for (const { path } of manifest.files) {
    const file = join(directory, path);
    const bytes = await readFile(file);
    const at = bytes.length >> 1;
    bytes[at]! ^= 4;
    await writeFile(file, bytes);
    const { ok, problems } = await verify(directory);
    t.false(ok);
    t.deepEqual(
      problems.map(problem => problem.file),
      [path],
    );
    bytes[at]! ^= 4;
    await writeFile(file, bytes);
  }
  t.true((await verify(directory)).ok);
});

test.serial('a layer that other runtimes have no operators for is an error that says what to do', async t => {
  const folder = await temporaryFolder(t);
  const model = smallNetwork();
  const written = await publish(model, { to: join(folder, 'a'), archive: 'none' });
  t.is(written.manifest.parity?.inputs.source, 'noise, as there is no data set');
  const { layers } = await import('@tensorflow/tfjs-layers');
  const { sequential } = await import('@tensorflow/tfjs-layers');
  const odd = sequential({
    layers: [
      layers.upSampling2d({ inputShape: [4, 4, 1], name: 'odd', interpolation: 'bilinear' }),
      layers.flatten(),
      layers.dense({ units: 2 }),
    ],
  });
  const error = await t.throwsAsync(publish(odd, { to: join(folder, 'b') }), {
    instanceOf: UnpublishableLayerError,
  });
  t.regex(error!.message, /'odd' \(UpSampling2D\).*formats: \['layers'\]/);
  t.deepEqual(await readdir(folder), ['a']);
  const alone = await publish(odd, { to: join(folder, 'b'), formats: ['layers'], archive: 'none' });
  t.deepEqual(
    alone.manifest.parity?.formats.map(({ format }) => format),
    ['layers'],
  );
  model.dispose();
  odd.dispose();
});

test('of a pruning the smallest step within the tolerance is published', t => {
  const step = (percent: number, parameters: number, testAccuracy: number) => ({
    percent,
    model: {} as LayersModel,
    parameters,
    macs: parameters,
    metrics: { testAccuracy, testLoss: 1 },
  });
  const steps = [step(10, 900, 0.9), step(20, 800, 0.91), step(30, 700, 0.906), step(40, 600, 0.904)];
  t.is(ladderOf(steps, 0.005).best.percent, 30);
  t.is(ladderOf(steps, 0).best.percent, 20);
  t.is(ladderOf(steps, 0.1).best.percent, 40);
  t.deepEqual(
    ladderOf(steps, 0.005).steps.map(({ published }) => published),
    [false, false, true, false],
  );
});

test.serial(
  'a whole pruning makes one card: the unpruned network, whatever its width, and all steps',
  async t => {
    const folder = await temporaryFolder(t);
    // Half the width and maxout, whose convolutions are wider: no table of the zoo has its sizes.
    const model = zoo.lenet({ activation: 'maxout', classes: 4, width: 0.5 });
    const { parameters, macs } = summary(model);
    remember(model, { data: squares(), metrics: { testAccuracy: 0.75, testLoss: 0.5 } });
    const pruned = await prune(model, { steps: [20, 50], train: false });
    const steps = pruned.steps.map(step => ({ ...step, metrics: { testAccuracy: 0.5, testLoss: 1 } }));
    const { manifest, directory } = await publish({ steps }, { to: join(folder, 'a'), archive: 'none' });
    t.deepEqual(
      manifest.ladder?.steps.map(({ percent, published, testAccuracy }) => [
        percent,
        published,
        testAccuracy,
      ]),
      [
        [0, false, 0.75],
        [20, false, 0.5],
        [50, true, 0.5],
      ],
    );
    t.like(manifest.ladder?.steps[0], { parameters, macs });
    t.like(manifest.parent, { name: 'lenet', parameters, macs, testAccuracy: 0.75 });
    const card = await readFile(join(directory, 'README.md'), 'utf8');
    t.true(card.includes(`| none | ${parameters.toLocaleString('en-US')} |`));
    t.regex(card, /\| 50 % \(this one\) \|/);
    t.true(card.indexOf('![accuracy]') > card.indexOf('## Steps of the pruning'));
    t.regex(card, /\| Activation \| maxout \(pieces 2\) \|/);
    t.true(card.includes(`unpruned ${macs.toLocaleString('en-US')} (`));
    const figure = await readFile(join(directory, 'figures/accuracy.svg'), 'utf8');
    t.regex(figure, /unpruned/);
    // A checkpoint that is loaded and pruned further still tells the first network.
    const loaded = await load(directory);
    const again = await prune(loaded, { steps: [60], train: false });
    t.like(provenanceOf(again.best.model).unpruned, { parameters, macs, metrics: { testAccuracy: 0.75 } });
    for (const each of [model, loaded, ...pruned.steps, ...again.steps])
      ('model' in each ? each.model : each).dispose();
  },
);

for (const [shared, what] of [
  ['channel', 'whose channels have coefficients of their own is published with the curve of the first'],
  ['network', 'whose one activation is called in many places is published with its curve'],
] as const) {
  test.serial(`a network ${what}`, async t => {
    const model = zoo.lenet({ activation: { name: 'pau', shared }, classes: 4 });
    remember(model, { data: squares() });
    const { directory } = await publish(model, { to: join(await temporaryFolder(t), 'a'), archive: 'none' });
    t.true((await readdir(join(directory, 'figures'))).includes('act1.svg'));
    model.dispose();
  });
}

test.serial("the card's programs run as they stand", async t => {
  const folder = await temporaryFolder(t);
  const { model, directory } = await publishedLenet(folder, { archive: 'none' });
  model.dispose();
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const { url } = await serve(t, { '': directory });
  const card = await readFile(join(directory, 'README.md'), 'utf8');
  const programs = [...card.matchAll(/```js\n([\s\S]*?)```/g)].map(([, text]) =>
    text!.replaceAll('http://localhost:8000', url),
  );
  t.is(programs.length, 3);
  for (const [i, text] of programs.entries()) {
    // The package by its own name is only known inside the checkout.
    const program = text.replace(
      "from 'padezoo'",
      `from '${new URL('../../src/index.js', import.meta.url).href}'`,
    );
    await writeFile(join(directory, `program${i}.mjs`), program.replace("load('.')", `load('${directory}')`));
  }
  for (const i of [1, 2])
    t.regex((await run(process.execPath, [`program${i}.mjs`], { cwd: directory })).stdout, /\d\.\d/);
  await run('rm', ['program1.mjs', 'program2.mjs'], { cwd: directory });
  const own = join(folder, 'own.mjs');
  await run('mv', ['program0.mjs', own], { cwd: directory });
  t.regex((await run(process.execPath, [own], { cwd: folder })).stdout, /Tensor/);
  const python = process.env.PADEZOO_PYTHON ?? 'python3';
  const hasTorch = await run(python, ['-c', 'import torch, safetensors']).then(
    () => true,
    () => false,
  );
  if (!hasTorch) return t.log('no torch and safetensors for Python: its program was not run');
  const [, program] = /```python\n([\s\S]*?)```/.exec(card)!;
  t.regex((await run(python, ['-c', program!], { cwd: directory })).stdout, /tensor\(\[\[/);
});

test.serial('compare tells sizes, accuracy, measured latency and the alignment of widths', async t => {
  const wide = knowingLenet();
  const narrow = zoo.lenet({ width: 0.5, activation: 'relu' });
  const [a, b] = await compare({ wide, narrow });
  t.is(a!.parameters, 61_236);
  t.is(a!.testAccuracy, 0.5);
  t.is(b!.testAccuracy, undefined);
  t.true(a!.latencyMs[1] > 0 && a!.latencyMs[64] > 0);
  t.deepEqual(a!.alignedWidths, { aligned: 2, of: 4 }); // 6, 16, 120 and 84
  wide.dispose();
  narrow.dispose();
});
