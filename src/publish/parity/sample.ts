/** A few of the images of the proof with the source's logits, so that anybody can prove a bundle without its data set. */

import type * as tf from '@tensorflow/tfjs-core';
import { joined } from '../../parts.js';
import { SafetensorsError } from '../../safetensors/errors.js';
import { parseSafetensors } from '../../safetensors/read.js';
import { writeSafetensors } from '../../safetensors/write.js';
import { ManifestError } from '../errors.js';
import { sizeOf } from '../graph/graph.js';
import type { Bytes } from '../manifest.js';
import type { ParityInputs } from './inputs.js';
import type { Reference } from './prove.js';

export const SAMPLE_FILE = 'parity.safetensors';
/** Of images; ImageNet's are 600 kB each. */
const MAX_BYTES = 2 * 2 ** 20;
const MOST_REAL = 64;
/** With the hard ones; they are run as one batch. */
const MOST_IMAGES = 128;

/** The first real images and the hard ones, as many as fit; `inputs` `[n, h, w, c]` and `logits` `[n, classes]`. */
export function sampleFile(
  { batches, real, hard }: ParityInputs,
  { logits, classes }: Reference,
): [string, Bytes] {
  const shape = batches[0]!.shape.slice(1);
  const size = sizeOf(shape);
  const count = Math.max(1, Math.floor(MAX_BYTES / (4 * size)));
  const hardOnes = Math.min(hard, count >> 1);
  const realOnes = Math.min(MOST_REAL, real, count - hardOnes);
  const inputs = joined(Float32Array, [
    valuesOf(batches, realOnes, size),
    valuesOf(batches.slice(-1), hardOnes, size),
  ]);
  const rows = joined(Float32Array, [
    logits.subarray(0, realOnes * classes),
    logits.subarray(real * classes, (real + hardOnes) * classes),
  ]);
  const total = realOnes + hardOnes;
  const tensors = new Map([
    ['inputs', { shape: [total, ...shape], values: inputs }],
    ['logits', { shape: [total, classes], values: rows }],
  ]);
  return [SAMPLE_FILE, writeSafetensors(tensors, { layout: 'n, h, w, c' })];
}

export interface Sample {
  readonly shape: readonly number[];
  readonly inputs: Float32Array;
  readonly reference: Reference;
}

/** @throws ManifestError */
export function readSample(bundle: string, bytes: Bytes, inputShape: readonly number[]): Sample {
  const fail = (problem: string, cause?: unknown): never => {
    throw new ManifestError(bundle, SAMPLE_FILE, '', problem, { cause });
  };
  try {
    const { tensors } = parseSafetensors(bytes);
    const [inputs, logits] = [tensors.get('inputs'), tensors.get('logits')];
    if (!inputs || !logits || logits.shape.length !== 2) return fail('has no inputs or no logits');
    if (inputs.shape[0]! > MOST_IMAGES)
      return fail(`has ${inputs.shape[0]} images, expected at most ${MOST_IMAGES}`);
    if (inputs.shape.slice(1).join() !== inputShape.join() || inputs.shape[0] !== logits.shape[0])
      return fail(
        `has inputs [${inputs.shape}] and logits [${logits.shape}], expected images [${inputShape}]`,
      );
    return {
      shape: inputs.shape,
      inputs: inputs.values(),
      reference: { logits: logits.values(), classes: logits.shape[1]! },
    };
  } catch (cause) {
    if (!(cause instanceof SafetensorsError)) throw cause;
    return fail(cause.message.replace('safetensors: ', ''), cause);
  }
}

/** Of the first images of all batches. */
function valuesOf(batches: readonly tf.Tensor[], count: number, size: number): Float32Array {
  const values = new Float32Array(count * size);
  for (let at = 0, batch = 0; at < values.length; batch++) {
    const some = (batches[batch]!.dataSync() as Float32Array).subarray(0, values.length - at);
    values.set(some, at);
    at += some.length;
  }
  return values;
}
