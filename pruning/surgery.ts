/** Removes filters for good: a new, smaller network with real widths in its config, and the surviving weights in it. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { WidthGroup } from './graph.js';

/** A group and the channels of it that stay, as rising indices into its present width. */
export interface Cut {
  readonly group: WidthGroup;
  readonly kept: readonly number[];
}

/** tfjs's JSON of one layer, as far as surgery changes it; its keys are Keras's. */
interface LayerConfig {
  readonly config: {
    name: string;
    filters?: number;
    kernel_initializer?: InitializerConfig;
    bias_initializer?: InitializerConfig;
  };
}
interface InitializerConfig {
  class_name: string;
  config: { fan_in?: number; seed?: number | null };
}

/**
 * A smaller network with the weights that survive; what the removed channels added to their consumers is gone.
 *
 * @param model borrowed; its config is copied
 * @returns a LayersModel that the caller disposes
 */
export async function removeFilters(
  model: layers.LayersModel,
  cuts: readonly Cut[],
): Promise<layers.LayersModel> {
  const smaller = await rebuilt(model, cuts);
  for (const layer of smaller.layers) {
    const source = model.getLayer(layer.name);
    if (source.weights.length === 0) continue;
    tf.tidy(() =>
      layer.setWeights(source.getWeights().map((weight, i) => survivors(layer.name, weight, i, cuts))),
    );
  }
  return smaller;
}

/**
 * A smaller network with new weights: drawn anew from the layers' own initialisers with `seed`, as for a network of
 * that width; activations start from their initial coefficients.
 */
export async function reinitialised(
  model: layers.LayersModel,
  cuts: readonly Cut[],
  seed: number,
): Promise<layers.LayersModel> {
  return rebuilt(model, cuts, seed);
}

async function rebuilt(
  model: layers.LayersModel,
  cuts: readonly Cut[],
  seed?: number,
): Promise<layers.LayersModel> {
  const topology = JSON.parse(model.toJSON() as string) as { config: { layers: LayerConfig[] } };
  const byName = new Map(topology.config.layers.map(({ config }) => [config.name, config]));
  for (const { group, kept } of cuts) {
    for (const producer of group.producers) byName.get(producer)!.filters = kept.length;
    for (const { layer, positions } of group.consumers) {
      const [inputs = 0, ...rest] = fanInOf(model.getLayer(layer), kept.length * positions);
      const fanIn = rest.reduce((product, size) => product * size, inputs);
      for (const initializer of initializersOf(byName.get(layer)!)) {
        if (initializer.config.fan_in !== undefined) initializer.config.fan_in = fanIn;
      }
    }
  }
  if (seed !== undefined) {
    for (const config of byName.values()) {
      for (const initializer of initializersOf(config)) {
        if ('seed' in initializer.config) initializer.config.seed = seed;
      }
    }
  }
  return layers.models.modelFromJSON({ modelTopology: topology as never });
}

function initializersOf(layer: LayerConfig['config']): InitializerConfig[] {
  return [layer.kernel_initializer, layer.bias_initializer].filter(
    (initializer): initializer is InitializerConfig => initializer?.config != null,
  );
}

/** Sizes whose product is a layer's inputs per output, with `inputs` in place of its present input channels. */
function fanInOf(layer: layers.layers.Layer, inputs: number): number[] {
  const kernel = layer.weights[0]!.shape as number[];
  return [inputs, ...kernel.slice(0, -2)];
}

/** The part of a layer's `index`-th weight that survives; a tensor of the running tidy. */
function survivors(layer: string, weight: tf.Tensor, index: number, cuts: readonly Cut[]): tf.Tensor {
  let left = weight;
  for (const { group, kept } of cuts) {
    const carries = group.producers.includes(layer) || group.followers.includes(layer);
    // Kernels hold their filters on the last axis, biases and batch normalisation on their only one.
    if (carries) left = gathered(left, kept, left.rank - 1);
    const consumer = group.consumers.find(reader => reader.layer === layer);
    if (consumer && index === 0) {
      const { axis, positions } = consumer;
      const inputs = Array.from({ length: positions }, (_, p) =>
        kept.map(channel => p * group.width + channel),
      ).flat();
      left = gathered(left, inputs, axis);
    }
  }
  return left;
}

function gathered(tensor: tf.Tensor, indices: readonly number[], axis: number): tf.Tensor {
  return tf.gather(tensor, tf.tensor1d([...indices], 'int32'), axis);
}
