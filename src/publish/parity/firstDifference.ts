/** Finds the first layer of a format whose output is not the source's. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { GraphRunner } from '../graph/run.js';
import { buildLayersModel, parseLayersFiles } from '../layersModel.js';
import type { Bytes } from '../manifest.js';
import { TOLERANCE } from './compare.js';
import type { ParityInputs } from './inputs.js';
import type { Runtime } from './runtimes.js';

export interface Suspect {
  /** The source; borrowed. */
  readonly model: layers.LayersModel;
  /** Layer -> the node that puts out the same; from input to output. */
  readonly nodeOf: ReadonlyMap<string, string>;
  readonly runtime: Runtime;
  readonly bundle: string;
  readonly files: ReadonlyMap<string, Bytes>;
}

/**
 * @param image index of the input to look at, over all batches
 * @returns the layer's name; undefined when all agree, so that the runtime is to blame and not the files
 */
export async function firstDifference(
  { model, nodeOf, runtime, bundle, files }: Suspect,
  inputs: ParityInputs,
  image: number,
): Promise<string | undefined> {
  const names = [...nodeOf];
  const one = imageAt(inputs, image);
  const outputs = names.map(([layer]) => model.getLayer(layer).getOutputAt(0) as layers.SymbolicTensor);
  const probe = layers.model({ inputs: model.inputs, outputs });
  const expected = ([] as tf.Tensor[]).concat(probe.predictOnBatch(one) as tf.Tensor | tf.Tensor[]);
  let actual: (tf.Tensor | undefined)[] = [];
  try {
    actual = runtime.graph
      ? graphOutputs(
          runtime,
          names.map(([, node]) => node),
          one,
        )
      : await layerOutputs(
          bundle,
          files,
          names.map(([layer]) => layer),
          one,
        );
    const found = names.findIndex((_, i) => !actual[i] || differs(actual[i], expected[i]!));
    return names[found]?.[0];
  } finally {
    tf.dispose([one, ...expected, ...actual.filter(tensor => tensor !== undefined)]);
  }
}

function imageAt({ batches }: ParityInputs, image: number): tf.Tensor {
  let left = image;
  for (const batch of batches) {
    if (left < batch.shape[0]!) return tf.tidy(() => tf.slice(batch, left, 1));
    left -= batch.shape[0]!;
  }
  return tf.slice(batches[0]!, 0, 1);
}

/** A node that the files have not is undefined, and so differs. */
function graphOutputs(
  runtime: Runtime,
  nodes: readonly string[],
  image: tf.Tensor,
): (tf.Tensor | undefined)[] {
  const known = new Set(runtime.graph!.nodes.map(({ name }) => name));
  const there = nodes.filter(name => known.has(name));
  const runner = new GraphRunner(runtime.graph!);
  try {
    const results = runner.run(image, [...new Set(there)]);
    const byName = new Map([...new Set(there)].map((name, i) => [name, results[i]!]));
    return nodes.map(name => byName.get(name));
  } finally {
    runner.dispose();
  }
}

async function layerOutputs(
  bundle: string,
  files: ReadonlyMap<string, Bytes>,
  names: readonly string[],
  image: tf.Tensor,
): Promise<tf.Tensor[]> {
  const model = await buildLayersModel(bundle, parseLayersFiles(bundle, files));
  const outputs = names.map(name => model.getLayer(name).getOutputAt(0) as layers.SymbolicTensor);
  const probe = layers.model({ inputs: model.inputs, outputs });
  const results = ([] as tf.Tensor[]).concat(probe.predictOnBatch(image) as tf.Tensor | tf.Tensor[]);
  model.dispose();
  return results;
}

function differs(actual: tf.Tensor, expected: tf.Tensor): boolean {
  if (actual.shape.join() !== expected.shape.join()) return true;
  return tf.tidy(() => {
    const error = tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0]!;
    const scale = tf.max(tf.abs(expected)).dataSync()[0]!;
    return !(error <= TOLERANCE * Math.max(scale, 2 ** -126));
  });
}
