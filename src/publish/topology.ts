/** Checks a network's topology before tfjs reads it: tfjs 4.22 loops forever when a layer's input never comes to exist. */
import { z } from 'zod';
import { ManifestError } from './errors.js';
import { checkJson } from './json.js';
import { TOPOLOGY_FILE } from './manifest.js';

/** DenseNet121 has about 430; tfjs's reading of a graph is quadratic in the worst order. */
export const MAX_LAYERS = 4096;

/** [layer, which call of it, which of its outputs, arguments of the call] */
const Inbound = z.tuple([z.string(), z.int().nonnegative(), z.int().nonnegative()]).rest(z.json());
type Inbound = z.output<typeof Inbound>;

const GraphLayer = z.looseObject({
  name: z.string(),
  class_name: z.string(),
  config: z.looseObject({ name: z.string() }),
  inbound_nodes: z.array(z.array(Inbound)),
});
const End = z.tuple([z.string(), z.int().nonnegative(), z.int().nonnegative()]);
const Graph = z.looseObject({
  layers: z.array(GraphLayer).max(MAX_LAYERS),
  input_layers: z.array(End),
  output_layers: z.array(End),
});

/**
 * Follows every graph in the topology (models inside models too) as tfjs will.
 * @param topology of JSON values, `{ class_name, config }`
 * @throws ManifestError when a layer has no input that can ever exist, or a name is used twice
 */
export function checkTopology(bundle: string, topology: unknown): void {
  if (typeof topology !== 'object' || topology === null) return;
  if ('input_layers' in topology || 'output_layers' in topology || hasInboundNodes(topology)) {
    checkGraph(bundle, checkJson(bundle, TOPOLOGY_FILE, Graph, topology));
  }
  for (const value of Object.values(topology)) checkTopology(bundle, value);
}

const hasInboundNodes = (node: object): boolean =>
  'layers' in node &&
  Array.isArray(node.layers) &&
  node.layers.some(layer => typeof layer === 'object' && layer !== null && 'inbound_nodes' in layer);

function checkGraph(bundle: string, graph: z.output<typeof Graph>): void {
  const fail = (problem: string): never => {
    throw new ManifestError(bundle, TOPOLOGY_FILE, 'modelTopology', problem);
  };
  /** How many of each layer's calls have been made. */
  const made = new Map<string, number>();
  let waiting: { layer: string; inputs: readonly Inbound[] }[] = [];
  for (const layer of graph.layers) {
    if (made.has(layer.name) || layer.config.name !== layer.name) {
      fail(`layer ${layer.name} is there twice or under two names, expected every layer once`);
    }
    // An input, and a model in the model, exist before they are called.
    made.set(layer.name, layer.class_name === 'InputLayer' || 'layers' in layer.config ? 1 : 0);
    for (const inputs of layer.inbound_nodes) waiting.push({ layer: layer.name, inputs });
  }
  const exists = ([layer, call]: readonly [string, number, ...unknown[]]) => (made.get(layer) ?? 0) > call;
  while (waiting.length > 0) {
    const later: typeof waiting = [];
    for (const node of waiting) {
      if (!node.inputs.every(exists)) later.push(node);
      else if (node.inputs.length > 0) made.set(node.layer, made.get(node.layer)! + 1);
    }
    if (later.length === waiting.length) {
      const { layer, inputs } = later[0]!;
      const missing = inputs.filter(input => !exists(input)).map(input => input[0]);
      fail(`layer ${layer} waits for ${missing.join(', ')}, which never comes to exist`);
    }
    waiting = later;
  }
  for (const end of [...graph.input_layers, ...graph.output_layers]) {
    if (!exists(end)) fail(`${end[0]} is an input or output of the model, but no such layer was made`);
  }
}
