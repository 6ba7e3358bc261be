/** Proves the formats of a bundle equal to the network that they were made from, by running them. */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import pLimit from 'p-limit';
import { PadezooError } from '../../errors.js';
import { joined } from '../../parts.js';
import type { Look } from '../graph/run.js';
import type { Bytes, Format, ParityRecord } from '../manifest.js';
import { type Agreement, compare, isEqual, TOLERANCE } from './compare.js';
import { firstDifference } from './firstDifference.js';
import type { ParityInputs } from './inputs.js';
import { type Runtime, runtimeOf } from './runtimes.js';

/** A runtime on another thread has its next batch already when it has done one; the engine does each at once. */
const BATCHES_AHEAD = 3;

/** A format does not calculate what its source does. */
export class ParityError extends PadezooError {
  override readonly name = 'ParityError';
  constructor(
    readonly bundle: string,
    readonly format: Format,
    readonly agreement: Agreement,
    /** The first layer whose output differs; undefined when every layer of the files agrees. */
    readonly layer: string | undefined,
    runtime: string,
  ) {
    const { maxRelativeError, otherTopOne, images, worst } = agreement;
    const where = layer
      ? `the first layer that differs is '${layer}'`
      : `layer by layer the files agree with the source, so the runtime (${runtime}) calculates otherwise`;
    super(
      `publish ${bundle}: ${format} is not its source: relative error ${maxRelativeError.toExponential(1)} (image ${worst}; at most ${TOLERANCE} is allowed), another class for ${otherTopOne} of ${images} images; ${where}. Nothing was published`,
    );
  }
}

export interface Proof {
  readonly records: readonly ParityRecord[];
  /** The source's, of all inputs in their order. */
  readonly logits: Float32Array;
}

export interface Watch {
  /** Layer -> the node that puts out the same, in the formats that have nodes. */
  readonly nodeOf: ReadonlyMap<string, string>;
  /** Is shown every node's result while a format runs that shows them. */
  readonly look?: Look | undefined;
}

/** What the formats are held to. */
export interface Reference {
  readonly logits: Float32Array;
  readonly classes: number;
}

/** What a network says to all inputs. */
export async function referenceOf(
  model: LayersModel,
  { batches }: Pick<ParityInputs, 'batches'>,
): Promise<Reference> {
  const parts: Float32Array[] = [];
  for (const images of batches) {
    const y = model.predictOnBatch(images) as tf.Tensor;
    parts.push((await y.data()) as Float32Array);
    y.dispose();
    await tf.nextFrame(); // lets answers of other threads in
  }
  return { logits: joined(Float32Array, parts), classes: model.outputs[0]!.shape.at(-1)! };
}

/**
 * @param model the source; borrowed
 * @param files the bundle's, by path
 * @throws ParityError for the first format that differs, with the first layer that does; BundleError for one that
 *   cannot be read back
 */
export async function prove(
  model: LayersModel,
  bundle: string,
  files: ReadonlyMap<string, Bytes>,
  formats: readonly Format[],
  inputs: ParityInputs,
  { nodeOf, look }: Watch,
): Promise<Proof> {
  /** One format after the other, for their weights are large; onnxruntime's thread fills the gaps that the engine leaves. */
  const engine = pLimit(1);
  const reference = engine(referenceOf, model, inputs);
  const proveOne = async (format: Format): Promise<ParityRecord> => {
    const runtime = await runtimeOf(format, bundle, files);
    try {
      const agreement = await agreementOf(runtime, inputs, reference, look);
      if (isEqual(agreement)) return recordOf(format, runtime, agreement);
      const layer = await firstDifference({ model, nodeOf, runtime, bundle, files }, inputs, agreement.worst);
      throw new ParityError(bundle, format, agreement, layer, runtime.name);
    } finally {
      runtime.dispose();
    }
  };
  const afterIt = async (format: Format) => {
    await reference; // without it there is nothing to prove
    return proveOne(format);
  };
  const proofs = formats.map(format => (format === 'onnx' ? proveOne(format) : engine(afterIt, format)));
  await Promise.allSettled([reference, ...proofs]); // the caller then disposes model and inputs
  return { records: await Promise.all(proofs), logits: (await reference).logits };
}

/** How near a format comes to the reference, which may be on its way, on all inputs. */
export async function agreementOf(
  runtime: Runtime,
  { batches }: Pick<ParityInputs, 'batches'>,
  reference: Reference | Promise<Reference>,
  look?: Look,
): Promise<Agreement> {
  const limit = pLimit({ concurrency: BATCHES_AHEAD, rejectOnClear: true });
  const one = async (images: tf.Tensor) => {
    try {
      const logits = await runtime.run(images, look);
      await tf.nextFrame();
      return logits;
    } catch (error) {
      limit.clearQueue();
      throw error;
    }
  };
  const running = batches.map(images => limit(one, images));
  await Promise.allSettled(running); // what the runtime has been given is the caller's to dispose
  const parts = await Promise.all(running);
  const { logits, classes } = await reference;
  return compare(joined(Float32Array, parts), logits, classes);
}

export function recordOf(format: Format, runtime: Runtime, agreement: Agreement): ParityRecord {
  const { images, maxRelativeError, otherTopOne, ties } = agreement;
  return {
    format,
    runtime: runtime.name,
    maxRelativeError,
    topOneAgreement: (images - otherTopOne - ties) / images,
    ties,
  };
}
