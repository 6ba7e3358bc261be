/** Images that drive a network's activations to the ends of the ranges that training saw: the hardest there are. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { Ranges } from '../ranges.js';
import type { ParityInputs } from './inputs.js';

/** What images are multiplied by, one after the other, until every range is reached; negative ones turn them around. */
const FACTORS = [1.5, -1.5, 2, -2, 4, -4, 8, -8] as const;
/** Images that are stretched. */
const IMAGES = 2;

export interface Extremes {
  /** Layers whose range training recorded. */
  readonly recorded: number;
  /** Of those, the ones whose inputs are known to reach both ends on the images of the proof. */
  readonly reached: number;
}

/**
 * Adds stretched images to the hard ones until the source's activations have seen what they saw in training.
 *
 * @param inputs whose batches are taken over
 * @param model the source; borrowed
 * @param recorded in training
 */
export async function withExtremes(
  inputs: ParityInputs,
  model: layers.LayersModel,
  recorded: Ranges,
): Promise<ParityInputs> {
  const wanted = recorded.filter(({ layer }) => model.layers.some(({ name }) => name === layer));
  if (wanted.length === 0) return inputs;
  const probe = new Probe(model, wanted);
  const extra: tf.Tensor[] = [];
  // Two batches are enough to know what to add: a look at all would take as long as proving a format.
  for (const images of new Set([inputs.batches[0]!, inputs.batches.at(-1)!])) await probe.look(images);
  const first = tf.slice(inputs.batches[0]!, 0, Math.min(IMAGES, inputs.batches[0]!.shape[0]!));
  for (const factor of FACTORS) {
    if (probe.reached === wanted.length) break;
    const stretched = tf.mul(first, factor);
    await probe.look(stretched);
    extra.push(stretched);
  }
  first.dispose();
  const extremes = { recorded: wanted.length, reached: probe.reached };
  if (extra.length === 0) return { ...inputs, extremes };
  const last = inputs.batches.at(-1)!;
  const hardest = tf.concat([...(inputs.hard > 0 ? [last] : []), ...extra]);
  const added = extra.reduce((sum, { shape }) => sum + shape[0]!, 0);
  tf.dispose(inputs.hard > 0 ? [last, ...extra] : extra);
  const kept = inputs.hard > 0 ? inputs.batches.slice(0, -1) : inputs.batches;
  return { ...inputs, batches: [...kept, hardest], hard: inputs.hard + added, extremes };
}

/** Which ranges a network's activations have reached at both ends. */
class Probe {
  readonly #wanted: Ranges;
  readonly #network: layers.LayersModel;
  readonly #left: Set<string>;
  readonly #right: Set<string>;

  constructor(model: layers.LayersModel, wanted: Ranges) {
    this.#wanted = wanted;
    this.#left = new Set(wanted.map(({ layer }) => layer));
    this.#right = new Set(this.#left);
    const outputs = wanted.map(({ layer }) => model.getLayer(layer).getInputAt(0) as layers.SymbolicTensor);
    this.#network = layers.model({ inputs: model.inputs, outputs });
  }

  get reached(): number {
    return this.#wanted.filter(({ layer }) => !this.#left.has(layer) && !this.#right.has(layer)).length;
  }

  async look(images: tf.Tensor): Promise<void> {
    const ends = tf.tidy(() => {
      const inputs = ([] as tf.Tensor[]).concat(this.#network.predictOnBatch(images) as tf.Tensor);
      return tf.stack(inputs.flatMap(input => [tf.min(input), tf.max(input)]));
    });
    const values = await ends.data();
    ends.dispose();
    for (const [i, { layer, min, max }] of this.#wanted.entries()) {
      if (values[2 * i]! <= min) this.#left.delete(layer);
      if (values[2 * i + 1]! >= max) this.#right.delete(layer);
    }
  }
}
