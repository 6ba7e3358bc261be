/** The proof that pruning is exact: what it must equal, and how equal it is. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import type { CouplingGraph } from '../../pruning/graph.js';
import { type Alive, removeChannels } from '../../pruning/surgery.js';
import { RandomStream } from '../../src/random.js';
import { images } from './models.js';

/**
 * Sets the weights with which layers read the removed channels to zero. Zeroing the filters instead would not do: a PAU
 * does not map 0 to 0, nor does batch normalisation.
 */
export function maskConsumers(model: layers.LayersModel, graph: CouplingGraph, alive: Alive): void {
  for (const { layer: name, axes } of graph.layers) {
    const layer = model.getLayer(name);
    const weights = layer.getWeights();
    for (const { weight, axis, role, channels } of axes) {
      if (role !== 'reads') continue;
      const mask = Float32Array.from(channels, channel => (channel < 0 || alive[channel] ? 1 : 0));
      const shape = weights[weight]!.shape.map((size, i) => (i === axis ? size : 1));
      weights[weight] = tf.mul(weights[weight]!, tf.tensor(mask, shape));
    }
    layer.setWeights(weights);
  }
}

/** Drops about `share` of each group's channels, with gaps, and at least one of several; no convolution loses all. */
export function someAlive(graph: CouplingGraph, share: number, seed: number): Alive {
  const random = new RandomStream(seed, 'alive');
  const alive = new Uint8Array(graph.channels).fill(1);
  for (const { first, width, members } of graph.groups) {
    const needed = new Set(members.map(({ channels }) => channels[random.below(channels.length)]!));
    const gone = Math.min(width - needed.size, Math.max(1, Math.round(width * share)));
    for (let dropped = 0; dropped < gone; ) {
      const channel = first + random.below(width);
      if (alive[channel] === 0 || needed.has(channel)) continue;
      alive[channel] = 0;
      dropped++;
    }
  }
  return alive;
}

/** Largest difference between pruned and masked outputs, as a share of the largest masked output. */
export function difference(
  make: () => layers.LayersModel,
  graph: CouplingGraph,
  alive: Alive,
  reference: CouplingGraph = graph,
): number {
  return tf.tidy(() => {
    const model = make();
    const smaller = removeChannels(model, graph, alive);
    const x = images(model);
    const got = (smaller.predict(x) as tf.Tensor).dataSync() as Float32Array;
    maskConsumers(model, reference, alive);
    const expected = (model.predict(x) as tf.Tensor).dataSync() as Float32Array;
    smaller.dispose();
    model.dispose();
    const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
    return got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / scale;
  });
}
