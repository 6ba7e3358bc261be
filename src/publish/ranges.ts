/** The smallest and largest input that each activation of a network sees: what half precision must hold. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isActivation } from '../../zoo/summary.js';
import type { ActivationSnapshot } from '../activations/snapshot.js';
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
    for (const layer of model.layers.filter(isActivation)) {
      for (let call = 0; call < layer.inboundNodes.length; call++) {
        const from = (layer.getInputAt(call) as layers.SymbolicTensor).sourceLayer.name;
        const node = nodeOf.get(from);
        if (node) this.#watched.set(node, [...(this.#watched.get(node) ?? []), layer.name]);
      }
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

  /** @param trained what training saw at its end, whose range is joined to that of the same layer here */
  ranges(trained: readonly ActivationSnapshot[] = []): Ranges {
    for (const { layer, inputs } of trained) if (this.#found.has(layer)) this.#join(layer, inputs);
    return [...this.#found]
      .filter(([, { min, max }]) => Number.isFinite(min + max))
      .map(([layer, range]) => ({ layer, ...range }));
  }
}
