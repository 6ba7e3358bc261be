/** The state of a network's activations at one moment of training, as plain data: inputs on a sample, and coefficients. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { PadeLayer } from './padeLayer.js';
import type { Rational } from './rational.js';

export interface ActivationSnapshot {
  readonly layer: string;
  /** How the layer's inputs are distributed: `counts` of equal bins from `min` to `max`. */
  readonly inputs: { readonly min: number; readonly max: number; readonly counts: readonly number[] };
  /** A Padé activation's coefficients, one set for each group. */
  readonly coefficients?: readonly Rational[];
  /** Share of the inputs beyond the range that the initial coefficients were fitted on. */
  readonly outside?: number;
}

const BINS = 64;
/** Share of inputs outside the fitted range from which it is worth a warning. */
const MANY = 0.05;

/**
 * One snapshot for each Padé activation, from one pass over a few images: between training steps it costs about as much as
 * an evaluation of so many. Keep the snapshots of several steps, and they are the history.
 *
 * @param model borrowed
 * @param images a batch as the network takes it; borrowed
 */
export async function snapshotActivations(
  model: layers.LayersModel,
  images: tf.Tensor,
): Promise<ActivationSnapshot[]> {
  const watched = model.layers.filter(layer => layer instanceof PadeLayer);
  const inputs = watched.flatMap(layer =>
    layer.inboundNodes.map((_, call) => ({ layer, input: layer.getInputAt(call) as layers.SymbolicTensor })),
  );
  if (inputs.length === 0) return [];
  const probe = layers.model({ inputs: model.inputs, outputs: inputs.map(({ input }) => input) });
  const values = ([] as tf.Tensor[]).concat(probe.predictOnBatch(images) as tf.Tensor | tf.Tensor[]);
  try {
    return await Promise.all(
      inputs.map(async ({ layer }, i) => snapshotOf(layer, (await values[i]!.data()) as Float32Array)),
    );
  } finally {
    tf.dispose(values);
  }
}

function snapshotOf(layer: PadeLayer, values: Float32Array): ActivationSnapshot {
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const counts = new Array<number>(BINS).fill(0);
  const scale = max > min ? BINS / (max - min) : 0;
  for (const value of values) counts[Math.min(BINS - 1, Math.floor((value - min) * scale))]!++;
  const { range } = layer;
  const outside = range && values.filter(x => x < range[0] || x > range[1]).length / values.length;
  return {
    layer: layer.name,
    inputs: { min, max, counts },
    coefficients: layer.rationals(),
    ...(outside === undefined ? {} : { outside }),
  };
}

/** What to tell the user: layers whose inputs have left the range on which their coefficients follow a known function. */
export function rangeWarnings(snapshots: readonly ActivationSnapshot[]): string[] {
  return snapshots
    .filter(({ outside }) => (outside ?? 0) > MANY)
    .map(
      ({ layer, inputs, outside }) =>
        `${layer}: ${(100 * outside!).toFixed(0)} % of the inputs are outside the range that its coefficients were fitted on (they reach from ${inputs.min.toPrecision(3)} to ${inputs.max.toPrecision(3)}); normalise before it, or fit on a wider range`,
    );
}
