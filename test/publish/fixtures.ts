/** Small networks, their descriptions, and folders that vanish, for the tests of checkpoints. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { ExecutionContext } from 'ava';
import { packArchive } from '../../src/publish/archive/pack.js';
import { layersFiles } from '../../src/publish/layersModel.js';
import type { BundleDescription, Bytes } from '../../src/publish/manifest.js';
import { bundleFiles } from '../../src/publish/writeBundle.js';

/** A graph with two inputs to one layer, a batch norm (weights that are not trained) and a dense end. */
export function smallNetwork(): layers.LayersModel {
  const image = layers.input({ shape: [6, 6, 1], name: 'image' });
  const { conv2d, add, batchNormalization, flatten, dense } = layers.layers;
  const left = conv2d({ filters: 2, kernelSize: 3, name: 'left' }).apply(image) as layers.SymbolicTensor;
  const right = conv2d({ filters: 2, kernelSize: 3, name: 'right' }).apply(image) as layers.SymbolicTensor;
  const sum = add({ name: 'sum' }).apply([left, right]);
  const normed = batchNormalization({ name: 'norm' }).apply(sum);
  const flat = flatten({ name: 'flat' }).apply(normed);
  const outputs = dense({ units: 3, name: 'classify' }).apply(flat) as layers.SymbolicTensor;
  return layers.model({ inputs: image, outputs, name: 'small' });
}

export function smallSequence(): layers.Sequential {
  const { conv2d, flatten, dense } = layers.layers;
  return layers.sequential({
    layers: [conv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 1] }), flatten(), dense({ units: 3 })],
  });
}

export const description: BundleDescription = {
  created: new Date('2026-03-04T05:06:07.000Z'),
  engine: 'cpu',
  architecture: {
    name: 'small',
    inputShape: [6, 6, 1],
    classes: ['cat', 'dog', 'a | b'],
    options: { width: 0.5 },
  },
  activation: { kind: 'pau', order: [5, 4], form: 'absolute-sum' },
  dataset: { name: 'fashion-mnist', options: { padding: 2 }, mean: [0.286], std: [0.353] },
  recipe: { epochs: 2, learningRate: 0.002 },
  seed: 7,
  pruning: [
    {
      percent: 50,
      criterion: 'sum',
      restart: 'fresh',
      widths: { left: 4, right: 4 },
      kept: { left: [0, 3], right: [1, 2] },
    },
  ],
  metrics: {
    testAccuracy: 0.875,
    testLoss: 0.4,
    parameters: 149,
    activationParameters: 0,
    macs: 672,
    seconds: 1.5,
  },
};

/** The files of one small bundle, in memory. */
export async function smallBundle(): Promise<Map<string, Bytes>> {
  await tf.setBackend('cpu');
  const model = smallNetwork();
  try {
    return await bundleFiles(await layersFiles(model), description, 'small', '0.0.0');
  } finally {
    model.dispose();
  }
}

/** A folder that is removed after the test. */
export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'padezoo-publish-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with these files, which is removed after the test. */
export async function writtenFiles(t: ExecutionContext, files: ReadonlyMap<string, Bytes>): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  return folder;
}

/** Values of a model's weights, for comparing bit for bit. */
export function weightsOf(model: layers.LayersModel): Record<string, Uint8Array> {
  return Object.fromEntries(
    model.weights.map(weight => [
      weight.originalName,
      new Uint8Array(weight.read().dataSync().slice().buffer),
    ]),
  );
}

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

/** The same files with one changed. */
export const changed = (files: ReadonlyMap<string, Bytes>, path: string, bytes: Bytes): Map<string, Bytes> =>
  new Map(files).set(path, bytes);

/** In the order of their paths, to compare what was read with what was written. */
export const sorted = (files: ReadonlyMap<string, Bytes>): [string, Bytes][] =>
  [...files].sort(([a], [b]) => (a < b ? -1 : 1));

/** The bytes of an archive of these files. */
export async function packed(files: ReadonlyMap<string, Bytes>): Promise<Bytes> {
  const parts: [Uint8Array, number][] = [];
  await packArchive(files, async (bytes, position) => parts.push([bytes.slice(), position]));
  const archive = new Uint8Array(Math.max(...parts.map(([bytes, position]) => position + bytes.length)));
  for (const [bytes, position] of parts) archive.set(bytes, position);
  return archive;
}
