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
  config: LayerConfig;
  inbound_nodes?: Reference[][];
}
interface LayerConfig extends Record<string, unknown> {
  name: string;
  activation?: string;
  /** Of a network that is a layer of another. */
  layers?: LayerJson[];
  /** Of a wrapper (TimeDistributed, Bidirectional), and of RNN: what is applied again and again. */
  layer?: LayerJson;
  cell?: LayerJson;
}
type Reference = [layer: string, ...rest: unknown[]];
interface Graph {
  layers: LayerJson[];
  output_layers?: Reference[];
}

/** Layers whose own `activation` comes last, so that a layer behind them does the same. */
const APPLIES_LAST =
  /^(Dense|Conv[123]D|Conv[23]DTranspose|SeparableConv2D|DepthwiseConv2D|LocallyConnected[12]D|Activation)$/;
/** What belongs to a layer's place in the network and not to its kind. */
const OF_THE_PLACE = ['batch_input_shape', 'dtype'];

/**
 * A copy of the network in which one activation stands in place of another, under the same names; every other layer
 * keeps its weights. Networks inside the network are converted too.
 *
 * @param model any LayersModel, sequential or functional; borrowed
 * @returns a LayersModel that the caller disposes
 * @throws OptionsError when the network has no such activation, when it is inside a recurrent layer or a wrapper, or when the new one
 *   needs other convolutions (maxout) or one layer for all places (`shared: 'network'`)
 */
export async function convertActivations(
  model: layers.LayersModel,
  { from, to }: ConvertOptions,
): Promise<layers.LayersModel> {
  const wanted = activationOf(from);
  const replacement = activationOf(to);
  const refused =
    (replacement.filtersFactor ?? 1) !== 1
      ? `needs ${replacement.filtersFactor} times the filters`
      : replacement.forNetwork && 'is one layer for the whole network';
  if (refused) {
    throw new OptionsError(`convertActivations: ${replacement.kind} ${refused}; build the network with it`);
  }
  const topology = JSON.parse(model.toJSON() as string) as { config: Graph };
  const conversion = new Conversion(wanted, replacement);
  conversion.replaceIn(topology.config);
  if (conversion.replaced.size === 0) {
    throw new OptionsError(`convertActivations: ${model.name} has no activation ${wanted.kind}`);
  }
  const converted = await layers.models.modelFromJSON({ modelTopology: topology as never });
  tf.tidy(() => copyWeights(model.layers, converted.layers, conversion.replaced));
  return converted;
}

/** Every layer's weights to the one of the same name, but those of the layers that are new. */
function copyWeights(
  from: readonly layers.layers.Layer[],
  to: readonly layers.layers.Layer[],
  replaced: ReadonlySet<string>,
  path = '',
): void {
  const sources = new Map(from.map(layer => [layer.name, layer]));
  for (const layer of to) {
    const source = sources.get(layer.name);
    const place = `${path}${layer.name}`;
    if (!source || replaced.has(place)) continue;
    const [parts, sourceParts] = [layer, source].map(each => (each as Partial<layers.LayersModel>).layers);
    if (parts && sourceParts) copyWeights(sourceParts, parts, replaced, `${place}/`);
    else layer.setWeights(source.getWeights());
  }
}

/** Changes a network's JSON. */
class Conversion {
  /** The new layers, by name; those of networks inside by `'outer/inner'`. */
  readonly replaced = new Set<string>();
  readonly #wanted: LayerJson;
  /** As Keras's `activation` has it, where it has the wanted one. */
  readonly #identifier: string | undefined;
  readonly #replacement: LayerJson;

  constructor(wanted: Activation, replacement: Activation) {
    this.#wanted = jsonOf(wanted.layer('wanted'));
    const { config } = wanted;
    const usual = sameConfig(activationOf(config.name).config, config);
    this.#identifier = usual ? config.name : undefined;
    this.#replacement = jsonOf(replacement.layer('replacement'));
  }

  replaceIn(graph: Graph, path = ''): void {
    const names = new Set(graph.layers.map(({ config }) => config.name));
    const inserted = new Map<string, string>();
    graph.layers = graph.layers.flatMap(layer => {
      const { class_name: type, config } = layer;
      const inside = config.layer ?? config.cell;
      if (inside && (this.#isWanted(inside) || this.#isFused(inside))) throw unreachable(layer, inside);
      if (config.layers) this.replaceIn(config as unknown as Graph, `${path}${config.name}/`);
      if (this.#isWanted(layer)) {
        this.replaced.add(`${path}${config.name}`);
        return [{ ...layer, ...this.#made(config.name, config) }];
      }
      if (!this.#isFused(layer)) return [layer];
      if (!APPLIES_LAST.test(type)) throw unreachable(layer, layer);
      const name = freeName(`${config.name}_activation`, names);
      this.replaced.add(`${path}${name}`);
      inserted.set(config.name, name);
      config.activation = 'linear';
      return [layer, behind(layer, this.#made(name))];
    });
    for (const [producer, name] of inserted) redirect(graph, producer, name);
  }

  /** Whether it is the layer's own `activation`. */
  #isFused({ config }: LayerJson): boolean {
    return this.#identifier !== undefined && config.activation === this.#identifier;
  }

  #isWanted({ class_name: type, config }: LayerJson): boolean {
    if (type === 'Activation') return config.activation === this.#identifier;
    if (type === 'ReLU' && config.max_value === 6) return this.#wanted.class_name === 'ReLU6';
    return type === this.#wanted.class_name && sameConfig(config, this.#wanted.config);
  }

  #made(name: string, place: Record<string, unknown> = {}): LayerJson {
    const kept = OF_THE_PLACE.filter(key => key in place).map(key => [key, place[key]]);
    const { class_name, config } = this.#replacement;
    return { class_name, config: { ...config, ...Object.fromEntries(kept), name } };
  }
}

function unreachable({ class_name: type, config }: LayerJson, inside: LayerJson): OptionsError {
  const activation = inside.config.activation ?? inside.class_name;
  return new OptionsError(
    `convertActivations: ${config.name} is a ${type}, inside which ${activation} cannot be replaced`,
  );
}

function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let i = 1; taken.has(free); i++) free = `${name}_${i}`;
  taken.add(free);
  return free;
}

/** The activation as a layer of its own that reads every call of `producer`. */
function behind(producer: LayerJson, activation: LayerJson): LayerJson {
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
  const relevant = (config: Record<string, unknown>) =>
    JSON.stringify(
      Object.entries(config)
        .filter(([key, value]) => value != null && ![...OF_THE_PLACE, 'name', 'trainable'].includes(key))
        .sort(([one], [other]) => (one < other ? -1 : 1)),
    );
  return relevant(a) === relevant(b);
}
