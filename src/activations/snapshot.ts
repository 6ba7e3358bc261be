/** The state of a network's Padé activations at one moment of training, as plain data: inputs on a sample, and coefficients. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { joined } from '../parts.js';
import { type Histogram, histogramOf } from './histogram.js';
import { type InputSite, inputSites } from './inputSites.js';
import { PadeLayer } from './padeLayer.js';
import type { Rational } from './rational.js';

export interface ActivationSnapshot {
  readonly layer: string;
  /** How the layer's inputs are distributed, from the smallest finite one to the largest. */
  readonly inputs: Histogram;
  /** The coefficients, one set for each group. */
  readonly coefficients: readonly Rational[];
  /** Share of the inputs, NaN among them, beyond the range that the initial coefficients were fitted on. */
  readonly outside?: number;
}

const BINS = 64;
/** Share of inputs outside the fitted range from which it is worth a warning. */
const MANY = 0.05;
/** Inputs of the layers that are held at a time: 64 MiB of them. */
const HELD = 2 ** 24;
/** Inputs of one layer that are counted; of more, every so many-th. */
const COUNTED = 2 ** 16;

/**
 * One snapshot for each call of a Padé activation, from one pass over a few images: between training steps it costs
 * about as much as an evaluation of so many. Keep the snapshots of several epochs, and they are the history.
 *
 * @param model borrowed
 * @param images a batch as the network takes it; borrowed
 */
export async function snapshotActivations(
  model: layers.LayersModel,
  images: tf.Tensor,
): Promise<ActivationSnapshot[]> {
  return new ActivationProbe(model).read(images);
}

/** Takes snapshots of one network; it may be trained in between. */
export class ActivationProbe {
  readonly #sites: readonly InputSite<PadeLayer>[];
  readonly #network: layers.LayersModel | undefined;

  /** @param model borrowed */
  constructor(model: layers.LayersModel) {
    this.#sites = inputSites(model, layer => layer instanceof PadeLayer);
    if (this.#sites.length === 0) return;
    this.#network = layers.model({ inputs: model.inputs, outputs: this.#sites.map(({ input }) => input) });
  }

  /** Names of the layers that snapshots are taken of. */
  get layers(): string[] {
    return this.#sites.map(({ layer }) => layer.name);
  }

  /** @param images a batch as the network takes it; borrowed */
  async read(images: tf.Tensor): Promise<ActivationSnapshot[]> {
    const network = this.#network;
    if (!network) return [];
    const count = images.shape[0]!;
    const perImage = this.#sites.reduce((sum, { input }) => sum + sizeOf(input), 0);
    const atOnce = Math.max(1, Math.floor(HELD / perImage));
    const seen = this.#sites.map(() => new Seen());
    for (let from = 0; from < count; from += atOnce) {
      const part = tf.slice(images, from, Math.min(atOnce, count - from));
      const inputs = ([] as tf.Tensor[]).concat(network.predictOnBatch(part) as tf.Tensor | tf.Tensor[]);
      try {
        const share = COUNTED * (part.shape[0]! / count);
        for (const [i, values] of inputs.entries()) await seen[i]!.add(values, share);
      } finally {
        tf.dispose([part, ...inputs]);
      }
    }
    return this.#sites.map(({ layer }, i) => seen[i]!.snapshot(layer));
  }
}

function sizeOf({ shape }: layers.SymbolicTensor): number {
  return shape.slice(1).reduce<number>((product, size) => product * (size ?? 1), 1);
}

/** What is known of the inputs of one call of a layer. */
class Seen {
  #min = Infinity;
  #max = -Infinity;
  readonly #kept: Float32Array[] = [];

  /** @param most of them that are kept, about; smallest and largest are of all */
  async add(values: tf.Tensor, most: number): Promise<void> {
    const [kept, ends] = tf.tidy(() => {
      const flat = tf.reshape(values, [-1]);
      const finite = tf.isFinite(flat);
      const [min, max] = [
        tf.min(tf.where(finite, flat, Infinity)),
        tf.max(tf.where(finite, flat, -Infinity)),
      ];
      return [tf.stridedSlice(flat, [0], [flat.size], [strideOf(flat.size, most)]), tf.stack([min, max])];
    });
    try {
      const [min, max] = await ends!.data();
      this.#min = Math.min(this.#min, min!);
      this.#max = Math.max(this.#max, max!);
      this.#kept.push((await kept!.data()) as Float32Array);
    } finally {
      tf.dispose([kept!, ends!]);
    }
  }

  snapshot(layer: PadeLayer): ActivationSnapshot {
    const values = joined(Float32Array, this.#kept);
    const [min, max] = this.#min <= this.#max ? [this.#min, this.#max] : [0, 0];
    const { range } = layer;
    const outside = range && values.filter(x => !(x >= range[0] && x <= range[1])).length;
    return {
      layer: layer.name,
      inputs: histogramOf(values, { min, max, bins: BINS }),
      coefficients: layer.rationals(),
      ...(outside === undefined ? {} : { outside: outside / Math.max(1, values.length) }),
    };
  }
}

/** A step that leaves at most about `most` of so many values, from every channel and place: it divides no row of them. */
function strideOf(size: number, most: number): number {
  let stride = Math.max(1, Math.ceil(size / Math.max(1, most)));
  while (divisor(stride, size) > 1) stride++;
  return stride;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** What to tell the user of one snapshot, if its inputs have left the range where the coefficients were fitted. */
export function rangeWarning({ layer, inputs, outside = 0 }: ActivationSnapshot): string | undefined {
  if (outside <= MANY) return undefined;
  return `${layer}: ${(100 * outside).toFixed(0)} % of the inputs are outside the range that its coefficients were fitted on (they reach from ${inputs.min.toPrecision(3)} to ${inputs.max.toPrecision(3)}); normalise before it, or fit on a wider range`;
}

/** What to tell the user: layers whose inputs have left the range on which their coefficients follow a known function. */
export function rangeWarnings(snapshots: readonly ActivationSnapshot[]): string[] {
  return snapshots.flatMap(snapshot => rangeWarning(snapshot) ?? []);
}
