/** Smaller copies of a network beside the exact ones: halves or bytes instead of floats, with what that costs. */
import * as tf from '@tensorflow/tfjs-core';
import type { Dataset } from '../../datasets/dataset.js';
import type { Graph } from './graph/graph.js';
import { perChannel } from './graph/perChannel.js';
import { plain } from './graph/plain.js';
import { GraphRunner } from './graph/run.js';
import { graphModelFiles } from './graphModel/write.js';
import type { Bytes, Variant } from './manifest.js';
import type { ParityInputs } from './parity/inputs.js';
import { agreementOf, type Reference } from './parity/prove.js';
import { graphModel, type Runtime } from './parity/runtimes.js';
import { readTorchFiles, torchFiles } from './torchGraph.js';

/** Test images that accuracies are compared on. */
const IMAGES = 1000;
const BATCH = 100;

export interface VariantSources {
  readonly bundle: string;
  readonly graph: Graph;
  readonly version: string;
  readonly inputs: ParityInputs;
  readonly reference: Reference;
  readonly data: Dataset | undefined;
}

/** @returns the files by path, and what was measured */
export async function variantsOf(
  storages: readonly Variant['storage'][],
  sources: VariantSources,
): Promise<{ files: Map<string, Bytes>; variants: Variant[] }> {
  const { bundle, graph, version, inputs, reference, data } = sources;
  const files = new Map<string, Bytes>();
  const variants: Variant[] = [];
  if (storages.length === 0) return { files, variants };
  const exact = new GraphRunner(graph);
  const float32 =
    data && (await accuracyOf(async images => await resultOf(exact, images), data, reference.classes));
  exact.dispose();
  for (const storage of storages) {
    const [folder, written] = filesOf(storage, graph, version);
    const runtime = await runtimeOf(storage, bundle, written, folder);
    try {
      const { images, maxRelativeError, otherTopOne, ties } = await agreementOf(runtime, inputs, reference);
      const measured = data && (await accuracyOf(batch => runtime.run(batch), data, reference.classes));
      variants.push({
        folder,
        storage,
        bytes: [...written.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
        maxRelativeError: Math.min(maxRelativeError, Number.MAX_VALUE),
        topOneAgreement: (images - otherTopOne - ties) / images,
        ...(measured &&
          float32 && { testAccuracy: measured.accuracy, testAccuracyFloat32: float32.accuracy }),
        images: measured?.images ?? images,
      });
    } finally {
      runtime.dispose();
    }
    for (const [path, bytes] of written) files.set(path, bytes);
  }
  return { files, variants };
}

function filesOf(storage: Variant['storage'], graph: Graph, version: string): [string, Map<string, Bytes>] {
  if (storage === 'bfloat16') {
    const folder = 'safetensors-bfloat16';
    const files = [...torchFiles(graph, storage)];
    return [
      folder,
      new Map(files.map(([path, bytes]) => [path.replace('safetensors/', `${folder}/`), bytes])),
    ];
  }
  const folder = `graph-${storage}`;
  const prepared = storage === 'uint8' ? perChannel(plain(graph)) : graph;
  const files = [...graphModelFiles(prepared, { version, storage })];
  return [folder, new Map(files.map(([path, bytes]) => [`${folder}/${path}`, bytes]))];
}

async function runtimeOf(
  storage: Variant['storage'],
  bundle: string,
  files: ReadonlyMap<string, Bytes>,
  folder: string,
): Promise<Runtime> {
  if (storage !== 'bfloat16') return graphModel(bundle, files, folder);
  const graph = readTorchFiles(bundle, files, folder);
  const runner = new GraphRunner(graph);
  return { name: 'padezoo', graph, run: images => resultOf(runner, images), dispose: () => runner.dispose() };
}

async function resultOf(runner: GraphRunner, images: tf.Tensor): Promise<Float32Array> {
  const y = tf.tidy(() => runner.run(images)[0]!);
  const values = (await y.data()) as Float32Array;
  y.dispose();
  return values;
}

async function accuracyOf(
  run: (images: tf.Tensor) => Promise<Float32Array>,
  data: Dataset,
  classes: number,
): Promise<{ accuracy: number; images: number }> {
  let [correct, images] = [0, 0];
  for await (const batch of data.test({ batchSize: BATCH })) {
    const [logits, labels] = [await run(batch.images), await batch.labels.data()];
    tf.dispose([batch.images, batch.labels]);
    labels.forEach((label, i) => {
      const row = logits.subarray(i * classes, (i + 1) * classes);
      if (row.indexOf(Math.max(...row)) === label) correct++;
    });
    images += labels.length;
    if (images >= IMAGES) break;
  }
  return { accuracy: correct / images, images };
}
