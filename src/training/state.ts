/** A training between two epochs, as plain numbers: what it takes to go on in another process. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { SafetensorsError } from '../safetensors/errors.js';
import { parseSafetensors, type StoredTensor } from '../safetensors/read.js';
import { writeSafetensors } from '../safetensors/write.js';
import type { EpochRecord } from './epochRecord.js';
import type { OptimizerState } from './optimizer.js';

/** Of a weight: float32, or int32 where a layer counts. */
export type Values = Float32Array | Int32Array;

export interface TrainingState {
  /** Epochs that are done. */
  readonly epoch: number;
  readonly epochs: readonly EpochRecord[];
  /** In the order of `model.getWeights()`. */
  readonly weights: readonly Values[];
  readonly optimizer: OptimizerState;
}

/** Copies of all weights, in the order of `model.getWeights()`. */
export function weightsOf(model: LayersModel): Values[] {
  return model.getWeights().map(weight => {
    const values = weight.dataSync();
    return weight.dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
  });
}

/** @param weights in the order of `model.getWeights()` */
export function setWeights(model: LayersModel, weights: readonly Values[]): void {
  tf.tidy(() =>
    model.setWeights(weights.map((values, i) => tf.tensor(values, model.weights[i]!.shape as number[]))),
  );
}

/** A state as the bytes of a safetensors file. */
export function encodeState({ epoch, epochs, weights, optimizer }: TrainingState): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, Values>(weights.map((values, i) => [`weights/${i}`, values]));
  optimizer.moments.forEach((set, i) => {
    for (const [j, values] of set.entries()) tensors.set(`moments/${i}/${j}`, values);
  });
  const { step } = optimizer;
  return encodeLists(tensors, { state: JSON.stringify({ epoch, epochs, step }) });
}

/** @throws SafetensorsError */
export function decodeState(bytes: Uint8Array): TrainingState {
  const { tensors, metadata } = parseSafetensors(new Uint8Array(bytes));
  const { epoch, epochs, step } = JSON.parse(metadata.state ?? 'null') as {
    epoch: number;
    epochs: EpochRecord[];
    step: number;
  };
  const weights: Values[] = [];
  const moments: Float32Array[][] = [];
  for (const [name, tensor] of tensors) {
    const values = listOf(tensor);
    const [kind, first = 0, second = 0] = name
      .split('/')
      .map((part, i) => (i === 0 ? part : Number(part))) as [string, number?, number?];
    if (kind === 'weights') weights[first] = values;
    else {
      moments[first] ??= [];
      moments[first][second] = values as Float32Array;
    }
  }
  return { epoch, epochs, weights, optimizer: { step, moments } };
}

/** Lists of numbers by name as the bytes of a safetensors file. */
function encodeLists(
  lists: ReadonlyMap<string, Values>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  return writeSafetensors(
    new Map([...lists].map(([name, values]) => [name, { shape: [values.length], values }])),
    metadata,
  );
}

function listOf(tensor: StoredTensor): Values {
  return tensor.dtype === 'I32' ? new Int32Array(tensor.bytes().buffer) : tensor.values();
}

/** Weights alone, in the order of `model.getWeights()`, as the bytes of a safetensors file. */
export function encodeWeights(weights: readonly Values[]): Uint8Array<ArrayBuffer> {
  return encodeLists(new Map(weights.map((values, i) => [`weights/${i}`, values])));
}

/** @throws SafetensorsError */
export function decodeWeights(bytes: Uint8Array): Values[] {
  const { tensors } = parseSafetensors(new Uint8Array(bytes));
  return Array.from({ length: tensors.size }, (_, i) => {
    const tensor = tensors.get(`weights/${i}`);
    if (!tensor) throw new SafetensorsError(`safetensors: there is no weights/${i} among ${tensors.size}`);
    return listOf(tensor);
  });
}
