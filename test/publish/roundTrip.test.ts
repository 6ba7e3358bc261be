import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { unpackArchive } from '../../src/publish/archive/unpack.js';
import { ManifestError, ModelBuildError } from '../../src/publish/errors.js';
import { buildLayersModel, layersFiles, parseLayersFiles } from '../../src/publish/layersModel.js';
import { loadBundle, readBundle } from '../../src/publish/readBundle.js';
import { verifyBundle } from '../../src/publish/verifyBundle.js';
import { writeBundle } from '../../src/publish/writeBundle.js';
import {
  description,
  packed,
  smallBundle,
  smallNetwork,
  smallSequence,
  sorted,
  temporaryFolder,
  textOf,
  weightsOf,
} from './fixtures.js';

test.before(() => tf.setBackend('cpu'));

for (const [kind, make] of [
  ['graph', smallNetwork],
  ['sequence', smallSequence],
] as const) {
  test.serial(`a ${kind} comes back bit for bit from the folder and from the archive`, async t => {
    const model = make();
    const written = await writeBundle(model, description, join(await temporaryFolder(t), 'new', 'small'));
    const input = tf.randomUniform([2, 6, 6, 1], -1, 1, 'float32', 1);
    for (const path of [written.directory, written.archive!]) {
      const loaded = await loadBundle(path);
      t.deepEqual(weightsOf(loaded.model), weightsOf(model));
      const [ours, theirs] = [loaded.model, model].map(m => (m.predict(input) as tf.Tensor).dataSync());
      t.deepEqual(ours, theirs);
      t.deepEqual(loaded.manifest, written.manifest);
      t.deepEqual(await verifyBundle(path), { ok: true, problems: [], manifest: written.manifest });
      loaded.model.dispose();
    }
    t.deepEqual(await readBundle(written.archive!), await readBundle(written.directory));
    input.dispose();
    model.dispose();
  });
}

test.serial('saving and loading leave no tensors but those of the loaded model', async t => {
  const model = smallNetwork();
  const folder = join(await temporaryFolder(t), 'small');
  const before = tf.memory().numTensors;
  await writeBundle(model, description, folder);
  t.is(tf.memory().numTensors, before);
  const loaded = await loadBundle(folder);
  t.is(tf.memory().numTensors, before + model.weights.length);
  loaded.model.dispose();
  t.is(tf.memory().numTensors, before);
  model.dispose();
});

test.serial('the manifest says what it was told, and digests that sha256sum confirms', async t => {
  const model = smallNetwork();
  const { directory, manifest } = await writeBundle(
    model,
    description,
    join(await temporaryFolder(t), 'small'),
  );
  model.dispose();
  const { created, engine, ...told } = description;
  const { format, formatVersion, versions, files, created: said, ...facts } = manifest;
  t.deepEqual(facts, told as typeof facts);
  t.deepEqual([format, formatVersion, said], ['padezoo', 1, created!.toISOString()]);
  t.deepEqual([versions.engine, versions.tfjs], [engine!, '4.22.0']);
  t.deepEqual(
    files.map(file => file.path),
    ['layers/model.json', 'layers/weights.bin', 'config.json', 'README.md'],
  );
  t.deepEqual(JSON.parse(readFileSync(join(directory, 'padezoo.json'), 'utf8')), manifest);
  t.true(
    readFileSync(join(directory, 'padezoo.json'), 'utf8').includes('"kept": {\n        "left": [0, 3],'),
  );
  t.true(readFileSync(join(directory, 'README.md'), 'utf8').includes('87.50 %'));
  let confirmed: string;
  try {
    confirmed = execFileSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: directory, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return t.log('no sha256sum on this machine');
    throw error;
  }
  t.deepEqual(
    confirmed.trim().split('\n').sort(),
    ['README.md', 'config.json', 'layers/model.json', 'layers/weights.bin', 'padezoo.json'].map(
      path => `${path}: OK`,
    ),
  );
});

test('tfjs reads layers/ without any code of ours', async t => {
  const files = await smallBundle();
  const json = JSON.parse(textOf(files.get('layers/model.json')));
  const model = await layers.loadLayersModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest[0].weights,
      weightData: files.get('layers/weights.bin')!.slice().buffer,
    }),
  );
  t.is(model.weights.length, 10);
});

test('the same files give the same archive, in whatever order they come', async t => {
  const files = await smallBundle();
  const archive = await packed(files);
  t.deepEqual(await packed(new Map([...files].reverse())), archive);
  t.deepEqual(await unpackArchive('a.tar.gz', archive), new Map(sorted(files)));
});

test('an archive that the tar program made, with a folder around, loads', async t => {
  const folder = await temporaryFolder(t);
  const files = await smallBundle();
  await mkdir(join(folder, 'small', 'layers'), { recursive: true });
  for (const [path, bytes] of files) await writeFile(join(folder, 'small', path), bytes);
  try {
    execFileSync('tar', ['czf', 'around.tgz', 'small'], { cwd: folder });
    execFileSync('tar', ['czf', 'plain.tgz', '-C', 'small', '.'], { cwd: folder });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return t.pass('no tar on this machine');
    throw error;
  }
  for (const name of ['around.tgz', 'plain.tgz', 'small']) {
    t.deepEqual(sorted((await readBundle(join(folder, name))).files), sorted(files));
  }
  t.deepEqual(readdirSync(folder).sort(), ['around.tgz', 'plain.tgz', 'small']);
});

test('the tar program unpacks our archive', async t => {
  const folder = await temporaryFolder(t);
  const files = await smallBundle();
  await writeFile(join(folder, 'a.tar.gz'), await packed(files));
  try {
    execFileSync('tar', ['xzf', 'a.tar.gz'], { cwd: folder });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return t.pass('no tar on this machine');
    throw error;
  }
  for (const [path, bytes] of files) t.deepEqual(new Uint8Array(readFileSync(join(folder, path))), bytes);
});

test('the files of several weight buffers of unequal length are one file in order', async t => {
  const model = {
    async save(handler: tf.io.IOHandler) {
      const weightData = [
        new Uint8Array([1, 2, 3, 4]).buffer,
        new Uint8Array([5, 6, 7, 8, 9, 10, 11, 12]).buffer,
      ];
      return handler.save!({ modelTopology: {}, weightSpecs: [], weightData });
    },
  };
  const files = await layersFiles(model as unknown as layers.LayersModel);
  t.deepEqual([...files.get('layers/weights.bin')!], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test.serial('weights that are NaN load, and are reported by verify', async t => {
  const model = smallNetwork();
  model.getLayer('classify').setWeights([tf.fill([32, 3], Number.NaN), tf.tensor1d([0, Infinity, 1])]);
  const { directory } = await writeBundle(model, description, join(await temporaryFolder(t), 'small'));
  const loaded = await loadBundle(directory);
  t.deepEqual(weightsOf(loaded.model), weightsOf(model));
  const { ok, problems } = await verifyBundle(directory);
  t.false(ok);
  t.deepEqual(problems, [
    { file: 'layers/weights.bin', problem: 'has 96 values in classify/kernel that are NaN or infinite' },
    { file: 'layers/weights.bin', problem: 'has 1 values in classify/bias that are NaN or infinite' },
  ]);
});

test.serial('an unknown layer, or weights that do not fit, are errors that leave no tensors', async t => {
  const files = await smallBundle();
  const intact = parseLayersFiles('x', files);
  const edits: Record<string, (text: string) => string> = {
    'unknown layer': text => text.replace('"class_name":"Dense"', '"class_name":"Novel"'),
    'renamed weight': text => text.replace('"name":"classify/bias"', '"name":"classify/other"'),
    'other shape': text => text.replace('"shape":[32,3]', '"shape":[3,32]'),
    'larger layer': text => text.replace('"units":3', '"units":1000000000'),
    'absurd layer': text => text.replace('"units":3', '"units":1e300'),
    'smaller layer': text => text.replace('"units":3', '"units":2'),
    'no model': text =>
      text
        .replace('"class_name":"Functional"', '"class_name":"Dense"')
        .replace('"class_name":"Model"', '"class_name":"Dense"'),
    'a name of Object': text =>
      text.replace(/"class_name":"(Model|Functional)"/, '"class_name":"constructor"'),
  };
  for (const [what, edit] of Object.entries(edits)) {
    const text = textOf(files.get('layers/model.json'));
    const edited = edit(text);
    t.not(edited, text, what);
    const parts = parseLayersFiles(
      'x',
      new Map(files).set('layers/model.json', new TextEncoder().encode(edited)),
    );
    const before = tf.memory().numTensors;
    const error = await t.throwsAsync(buildLayersModel('x', parts), { instanceOf: ModelBuildError }, what);
    t.is(error?.file, 'layers/model.json');
    t.is(tf.memory().numTensors, before, what);
  }
  const model = await buildLayersModel('x', intact); // nothing of the failures stays behind
  t.is(model.weights.length, 10);
  model.dispose();
});

test.serial('a description that does not fit is refused by field, and writes nothing', async t => {
  const model = smallNetwork();
  const folder = await temporaryFolder(t);
  const cases: [string, object][] = [
    ['metrics.testLoss', { metrics: { ...description.metrics, testLoss: Number.NaN } }],
    ['seed', { seed: 0.5 }],
    ['pruning[0].kept.left', { pruning: [{ ...description.pruning[0], kept: { left: [1, 1] } }] }],
    ['architecture.inputShape', { architecture: { ...description.architecture, inputShape: [28, 28, 1] } }],
    ['', { misspelt: 1 }],
  ];
  for (const [field, wrong] of cases) {
    const written = writeBundle(
      model,
      { ...description, ...wrong } as typeof description,
      join(folder, 'small'),
    );
    const error = await t.throwsAsync(written, { instanceOf: ManifestError });
    t.is(error?.field, field);
  }
  t.deepEqual(readdirSync(folder), []);
  model.dispose();
});
