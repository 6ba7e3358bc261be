/** Removes channels for good: a new, smaller network with real widths in its config, and the surviving weights in it. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { OptionsError } from '../src/errors.js';
import { RandomStream } from '../src/random.js';
import type { CouplingGraph, LayerChannels } from './graph.js';

/** Per channel of the graph: 1 stays, 0 goes. */
export type Alive = Uint8Array;

/** All channels stay but those that are not in `kept`: per group of the graph, rising indices into its width. */
export function aliveChannels(graph: CouplingGraph, kept: readonly (readonly number[])[]): Alive {
  const alive = new Uint8Array(graph.channels);
  graph.groups.forEach(({ first }, i) => {
    for (const index of kept[i]!) alive[first + index] = 1;
  });
  return alive;
}

/** Indices of an axis that stay, rising. */
export function survivors(channels: Int32Array, alive: Alive): number[] {
  const left: number[] = [];
  channels.forEach((channel, index) => {
    if (channel < 0 || alive[channel]) left.push(index);
  });
  return left;
}

/** tfjs's config of a network, as far as surgery changes it. */
interface ModelConfig {
  name: string;
  layers: { config: LayerConfig }[];
}
interface LayerConfig extends Record<string, unknown> {
  name: string;
}
interface Initializer {
  className: string;
  config: { fanIn?: number; fanOut?: number; seed?: number | null; stream?: string };
}

/**
 * A smaller network with the weights that survive; what the removed channels added to their consumers is gone.
 *
 * @param model borrowed; its config is copied
 * @param weights to take instead of the model's own, in the order of `model.getWeights()`; borrowed
 * @returns a LayersModel that the caller disposes
 */
export function removeChannels(
  model: layers.LayersModel,
  graph: CouplingGraph,
  alive: Alive,
  weights?: readonly tf.Tensor[],
): layers.LayersModel {
  const smaller = built(model, smallerConfig(model, graph, alive), 'zeros');
  copySurvivors(model, smaller, { graph, alive, ...(weights && { weights }) });
  return smaller;
}

/**
 * A smaller network with new weights: drawn anew from the layers' own initialisers with `seed`, as for a network of
 * that width; activations start from their initial coefficients.
 */
export function reinitialised(
  model: layers.LayersModel,
  graph: CouplingGraph,
  alive: Alive,
  seed: number,
): layers.LayersModel {
  const config = smallerConfig(model, graph, alive);
  for (const layer of config.layers) {
    for (const [weight, initializer] of initializersOf(layer.config)) {
      if (initializer.config.seed === undefined) continue;
      const { name } = layer.config;
      if (initializer.config.stream === undefined) {
        // Of one seed tfjs's own initialisers draw the same numbers for every layer.
        initializer.config.seed = new RandomStream(seed, name, weight).below(2 ** 31);
      } else {
        // tfjs's JSON does not keep the case of a text, so a network that was loaded has lost its stream.
        Object.assign(initializer.config, { seed, stream: `${name}/${weight}` });
      }
    }
  }
  return built(model, config, 'initialisers');
}

/**
 * The same network as it was before any training.
 *
 * @throws OptionsError when an initialiser draws without a seed
 */
export function drawnAgain(model: layers.LayersModel): layers.LayersModel {
  const config = structuredClone(model.getConfig()) as unknown as ModelConfig;
  for (const layer of config.layers) {
    const { name } = layer.config;
    for (const [weight, initializer] of initializersOf(layer.config)) {
      if (initializer.config.seed === null) {
        throw new OptionsError(
          `prune: restart 'initial': the ${weight} of '${name}' was drawn without a seed, so it cannot be drawn again; give the untrained network, or seeds to its initialisers`,
        );
      }
      if (initializer.config.stream !== undefined) initializer.config.stream = `${name}/${weight}`;
    }
  }
  return built(model, config, 'initialisers');
}

/**
 * Sets the weights of the smaller network to the survivors of the larger one's.
 *
 * @param which layers are copied; all by default
 */
export function copySurvivors(
  model: layers.LayersModel,
  smaller: layers.LayersModel,
  {
    graph,
    alive,
    weights,
    which = () => true,
  }: {
    graph: CouplingGraph;
    alive: Alive;
    weights?: readonly tf.Tensor[];
    which?: (layer: layers.layers.Layer) => boolean;
  },
): void {
  const changing = new Map(graph.layers.map(entry => [entry.layer, entry]));
  const indexOf = new Map(model.weights.map((weight, i) => [weight, i]));
  for (const source of model.layers.filter(which)) {
    if (source.weights.length === 0) continue;
    tf.tidy(() => {
      const values = source.weights.map((variable, i) => {
        const weight = weights?.[indexOf.get(variable)!] ?? variable.read();
        return left(weight, i, changing.get(source.name), alive);
      });
      smaller.getLayer(source.name).setWeights(values);
    });
  }
}

function left(weight: tf.Tensor, index: number, layer: LayerChannels | undefined, alive: Alive): tf.Tensor {
  let rest = weight;
  for (const { axis, channels } of layer?.axes.filter(entry => entry.weight === index) ?? []) {
    const indices = survivors(channels, alive);
    if (indices.length < channels.length) rest = tf.gather(rest, tf.tensor1d(indices, 'int32'), axis);
  }
  return rest;
}

function smallerConfig(model: layers.LayersModel, graph: CouplingGraph, alive: Alive): ModelConfig {
  const config = structuredClone(model.getConfig()) as unknown as ModelConfig;
  const byName = new Map(config.layers.map(layer => [layer.config.name, layer.config]));
  for (const { layer, axes, configs } of graph.layers) {
    const own = byName.get(layer)!;
    for (const { channels, change } of configs) Object.assign(own, change(survivors(channels, alive)));
    for (const { role, channels } of axes) {
      if (role === 'follows') continue;
      const fan = role === 'reads' ? 'fanIn' : 'fanOut';
      const now = survivors(channels, alive).length;
      for (const [, initializer] of initializersOf(own)) {
        const before = initializer.config[fan];
        if (before !== undefined) initializer.config[fan] = (before / channels.length) * now;
      }
    }
  }
  return config;
}

/** Of each weight of a layer that says how it starts: `'kernel'` (a depthwise one too), `'bias'`, ... */
function initializersOf(config: LayerConfig): [weight: string, Initializer][] {
  return Object.entries(config).flatMap(([key, value]) => {
    const [, weight] = /^(.+)Initializer$/.exec(key) ?? [];
    if (!weight || !(value as Initializer | null)?.config) return [];
    return [[weight === 'depthwise' ? 'kernel' : weight, value as Initializer]];
  });
}

/** Builds a network of the same class; `'zeros'` saves the drawing of weights that are set at once. */
function built(
  like: layers.LayersModel,
  config: ModelConfig,
  start: 'initialisers' | 'zeros',
): layers.LayersModel {
  const modelClass = like.constructor as typeof layers.LayersModel;
  return modelClass.fromConfig(modelClass as never, config as never, {}, start === 'zeros');
}
