/** `convertActivations`: another activation in a network that exists, its weights kept. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { OptionsError } from '../errors.js';
import { type Activation, type ActivationChoice, activationOf } from './activation.js';

export interface ConvertOptions {
  /** What is replaced: also where it is a convolution's or dense layer's own `activation`. */
  readonly from: ActivationChoice;
  readonly to: ActivationChoice;
}

/** tfjs's JSON of a layer, as far as it matters here; its keys are Keras's. */
interface LayerJson {
  class_name: string;
  /** Of functional networks only, as are `inbound_nodes`: [layer, which call of it, which output, arguments]. */
  name?: string;
  config: Record<string, unknown> & { name: string; activation?: string };
  inbound_nodes?: Reference[][];
}
type Reference = [layer: string, ...rest: unknown[]];
interface Graph {
  layers: LayerJson[];
  output_layers?: Reference[];
}

/**
 * A copy of the network in which one activation stands in place of another, under the same names; every other layer
 * keeps its weights.
 *
 * @param model any LayersModel, sequential or functional; borrowed
 * @returns a LayersModel that the caller disposes
 * @throws OptionsError when the network has no such activation, or the new one needs other convolutions (maxout)
 */
export async function convertActivations(
  model: layers.LayersModel,
  { from, to }: ConvertOptions,
): Promise<layers.LayersModel> {
  const wanted = activationOf(from);
  const replacement = activationOf(to);
  if ((replacement.filtersFactor ?? 1) !== 1) {
    throw new OptionsError(
      `convertActivations: ${replacement.kind} needs ${replacement.filtersFactor} times the filters; build the network with it`,
    );
  }
  const topology = JSON.parse(model.toJSON() as string) as { config: Graph };
  const replaced = replaceIn(topology.config, wanted, name => jsonOf(replacement.layer(name)));
  if (replaced === 0) {
    throw new OptionsError(`convertActivations: ${model.name} has no activation ${wanted.kind}`);
  }
  const converted = await layers.models.modelFromJSON({ modelTopology: topology as never });
  const sources = new Map(model.layers.map(layer => [layer.name, layer]));
  tf.tidy(() => {
    for (const layer of converted.layers) {
      const source = sources.get(layer.name);
      if (source?.getClassName() === layer.getClassName()) layer.setWeights(source.getWeights());
    }
  });
  return converted;
}

/** Changes the graph, and says in how many places. */
function replaceIn(graph: Graph, wanted: Activation, make: (name: string) => LayerJson): number {
  const identifier = wanted.config.name; // as Keras's `activation` has it
  const described = jsonOf(wanted.layer('wanted'));
  const isWanted = ({ class_name: type, config }: LayerJson) =>
    type === 'Activation'
      ? config.activation === identifier
      : type === described.class_name && sameConfig(config, described.config);
  let replaced = 0;
  graph.layers = graph.layers.flatMap(layer => {
    const { config } = layer;
    if (isWanted(layer)) {
      replaced++;
      return [{ ...layer, ...make(config.name) }];
    }
    if (config.activation !== identifier) return [layer];
    replaced++;
    config.activation = 'linear';
    return [layer, inserted(layer, make(`${config.name}_activation`))];
  });
  for (const layer of graph.layers) {
    const producer = layer.config.name;
    if (!graph.layers.some(({ config }) => config.name === `${producer}_activation`)) continue;
    redirect(graph, producer, `${producer}_activation`);
  }
  return replaced;
}

/** The activation as a layer of its own that reads every call of `producer`. */
function inserted(producer: LayerJson, activation: LayerJson): LayerJson {
  if (!producer.inbound_nodes) return activation; // a sequential network: it is the next in line
  const calls = producer.inbound_nodes.map((_, call): Reference[] => [[producer.config.name, call, 0, {}]]);
  return { ...activation, name: activation.config.name, inbound_nodes: calls };
}

/** Whoever read `producer` reads `reader` now, but for `reader` itself. */
function redirect(graph: Graph, producer: string, reader: string): void {
  const references = graph.layers
    .filter(({ config }) => config.name !== reader)
    .flatMap(({ inbound_nodes: nodes }) => nodes?.flat() ?? []);
  for (const reference of [...references, ...(graph.output_layers ?? [])]) {
    if (reference[0] === producer) reference[0] = reader;
  }
}

const ENOUGH_CHANNELS = 4096; // for any number of groups

/** A layer as a network's JSON has it: tfjs writes only whole networks. */
function jsonOf(layer: layers.layers.Layer): LayerJson {
  const input = layers.input({ shape: [ENOUGH_CHANNELS] });
  const network = layers.model({ inputs: input, outputs: layer.apply(input) as layers.SymbolicTensor });
  const { class_name, config } = (JSON.parse(network.toJSON() as string) as { config: Graph }).config
    .layers[1]!;
  network.dispose();
  return { class_name, config };
}

function sameConfig(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  const relevant = ({ name: _, trainable: __, ...rest }: Record<string, unknown>) => JSON.stringify(rest);
  return relevant(a) === relevant(b);
}
