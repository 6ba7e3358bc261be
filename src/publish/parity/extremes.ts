/** Images that drive a network's activations to the ends of the ranges that training saw: the hardest there are. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { isActivation } from '../../../zoo/summary.js';
import { type InputSite, inputSites } from '../../activations/inputSites.js';
import type { Ranges } from '../ranges.js';
import type { ParityInputs } from './inputs.js';

/** What images are multiplied by, one after the other, until every range is reached; negative ones turn them around. */
const FACTORS = [1.5, -1.5, 2, -2, 4, -4, 8, -8] as const;
/** Images that are stretched. */
const IMAGES = 2;

export interface Extremes {
  /** Activations whose range training recorded. */
  readonly recorded: number;
  /** Of those, the ones whose inputs are known to reach both ends on the images of the proof. */
  readonly reached: number;
}

/**
 * Adds stretched images to the hard ones until the source's activations have seen what they saw in training.
 *
 * @param inputs whose batches are taken over, and disposed when this fails
 * @param model the source; borrowed
 * @param recorded in training; those of layers that are no activations of the model are left out
 */
export async function withExtremes(
  inputs: ParityInputs,
  model: layers.LayersModel,
  recorded: Ranges,
): Promise<ParityInputs> {
  const extra: tf.Tensor[] = [];
  const [first, hardest] = [inputs.batches[0]!, inputs.batches.at(-1)!];
  try {
    const ranges = new Map(recorded.map(range => [range.layer, range]));
    const sites = inputSites(model, layer => isActivation(layer) && ranges.has(layer.name));
    if (sites.length === 0) return inputs;
    const probe = new Probe(model, sites, ranges);
    // Two batches are enough to know what to add: a look at all would take as long as proving a format.
    for (const images of [first, hardest]) await probe.look(images);
    for (const factor of FACTORS) {
      if (probe.reached === probe.recorded) break;
      const stretched = tf.tidy(() => tf.mul(tf.slice(first, 0, Math.min(IMAGES, first.shape[0]!)), factor));
      extra.push(stretched);
      await probe.look(stretched);
    }
    const extremes = { recorded: probe.recorded, reached: probe.reached };
    if (extra.length === 0) return { ...inputs, extremes };
    const hard = tf.concat([hardest, ...extra]);
    tf.dispose([hardest, ...extra]);
    return { ...inputs, batches: [...inputs.batches.slice(0, -1), hard], hard: hard.shape[0]!, extremes };
  } catch (error) {
    tf.dispose([...inputs.batches, ...extra]);
    throw error;
  }
}

/** Which ranges a network's activations have reached at both ends, each of them in all its calls together. */
class Probe {
  readonly #sites: readonly InputSite[];
  readonly #ranges: ReadonlyMap<string, Ranges[number]>;
  readonly #network: layers.LayersModel;
  /** Names of activations that have not been so far down, or up. */
  readonly #low: Set<string>;
  readonly #high: Set<string>;
  readonly recorded: number;

  constructor(
    model: layers.LayersModel,
    sites: readonly InputSite[],
    ranges: ReadonlyMap<string, Ranges[number]>,
  ) {
    this.#sites = sites;
    this.#ranges = ranges;
    this.#low = new Set(sites.map(({ layer }) => layer.name));
    this.#high = new Set(this.#low);
    this.recorded = this.#low.size;
    this.#network = layers.model({ inputs: model.inputs, outputs: sites.map(({ input }) => input) });
  }

  get reached(): number {
    return this.recorded - new Set([...this.#low, ...this.#high]).size;
  }

  async look(images: tf.Tensor): Promise<void> {
    const ends = tf.tidy(() => {
      const inputs = ([] as tf.Tensor[]).concat(this.#network.predictOnBatch(images) as tf.Tensor);
      return tf.stack(inputs.flatMap(input => [tf.min(input), tf.max(input)]));
    });
    const values = await ends.data();
    ends.dispose();
    for (const [i, { layer }] of this.#sites.entries()) {
      const { min, max } = this.#ranges.get(layer.name)!;
      if (values[2 * i]! <= min) this.#low.delete(layer.name);
      if (values[2 * i + 1]! >= max) this.#high.delete(layer.name);
    }
  }
}
