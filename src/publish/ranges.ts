/** The smallest and largest input that each activation of a network sees: what half precision must hold. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isActivation } from '../../zoo/summary.js';
import { inputSites } from '../activations/inputSites.js';
import { provenanceOf } from '../training/provenance.js';
import type { Look } from './graph/run.js';
import type { Manifest } from './manifest.js';

export type Ranges = NonNullable<Manifest['ranges']>;

/** Watches a graph while it runs, which `look` is given to. */
export class RangeWatch {
  /** Node -> the activations that read it. */
  readonly #watched = new Map<string, string[]>();
  readonly #found = new Map<string, { min: number; max: number }>();

  /** @param nodeOf layer -> its node in the graph that will run */
  constructor(model: LayersModel, nodeOf: ReadonlyMap<string, string>) {
    for (const { layer, input } of inputSites(model, isActivation)) {
      const node = nodeOf.get(input.sourceLayer.name);
      if (node) this.#watched.set(node, [...(this.#watched.get(node) ?? []), layer.name]);
    }
  }

  readonly look: Look = (node, result) => {
    for (const layer of this.#watched.get(node) ?? []) {
      const [min, max] = tf.tidy(() => [tf.min(result).dataSync()[0], tf.max(result).dataSync()[0]]);
      this.#join(layer, { min: min!, max: max! });
    }
  };

  #join(layer: string, { min, max }: { readonly min: number; readonly max: number }): void {
    const before = this.#found.get(layer) ?? { min, max };
    this.#found.set(layer, { min: Math.min(before.min, min), max: Math.max(before.max, max) });
  }

  /** @param trained what training saw, which is joined to what was seen of the same layer here */
  ranges(trained: Ranges = []): Ranges {
    for (const { layer, ...range } of trained) if (this.#found.has(layer)) this.#join(layer, range);
    return [...this.#found]
      .filter(([, { min, max }]) => Number.isFinite(min + max))
      .map(([layer, range]) => ({ layer, ...range }));
  }
}

/** What training saw at its end, of each layer all its calls together; empty when it was not observed. */
export function trainedRanges(model: LayersModel): Ranges {
  const { epochs, trainingRanges = [] } = provenanceOf(model);
  if (!epochs) return [...trainingRanges];
  const found = new Map<string, { min: number; max: number }>();
  for (const { layer, inputs } of epochs.at(-1)?.activations ?? []) {
    const { min, max } = found.get(layer) ?? inputs;
    found.set(layer, { min: Math.min(min, inputs.min), max: Math.max(max, inputs.max) });
  }
  return [...found].flatMap(([layer, { min, max }]) =>
    Number.isFinite(max - min) ? [{ layer, min, max }] : [],
  );
}
