/** The smallest and largest input that each activation of a network sees: what half precision must hold. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { isActivation } from '../../zoo/summary.js';
import type { Graph } from './graph/graph.js';
import { GraphRunner } from './graph/run.js';
import type { Manifest } from './manifest.js';

export type Ranges = NonNullable<Manifest['ranges']>;

/**
 * @param graph the network's, channels last, not folded
 * @param batches of images, borrowed
 */
export function rangesOf(model: LayersModel, graph: Graph, batches: readonly tf.Tensor[]): Ranges {
  /** Node -> the activations that read it. */
  const watched = new Map<string, string[]>();
  for (const layer of model.layers.filter(isActivation)) {
    for (let call = 0; call < layer.inboundNodes.length; call++) {
      const from = (layer.getInputAt(call) as layers.SymbolicTensor).sourceLayer.name;
      const node = graph.layers.get(from);
      if (node) watched.set(node, [...(watched.get(node) ?? []), layer.name]);
    }
  }
  const found = new Map<string, { min: number; max: number }>();
  const runner = new GraphRunner(graph);
  const look = (node: string, value: tf.Tensor) => {
    for (const layer of watched.get(node) ?? []) {
      const [min, max] = tf.tidy(() => [tf.min(value).dataSync()[0]!, tf.max(value).dataSync()[0]!]);
      const before = found.get(layer) ?? { min, max };
      found.set(layer, { min: Math.min(before.min, min), max: Math.max(before.max, max) });
    }
  };
  for (const images of batches) tf.dispose(runner.run(images, [graph.output], look));
  runner.dispose();
  return [...found]
    .filter(([, { min, max }]) => Number.isFinite(min + max))
    .map(([layer, range]) => ({ layer, ...range }));
}
