/** The files of `safetensors/`: weights by PyTorch's names in PyTorch's layout, and the operators that use them as JSON. */
import { z } from 'zod';
import { torchName } from '../../zoo/stateDict.js';
import type { FloatStorage } from '../safetensors/dtypes.js';
import { SafetensorsError } from '../safetensors/errors.js';
import { parseSafetensors } from '../safetensors/read.js';
import { writeSafetensors } from '../safetensors/write.js';
import { ManifestError } from './errors.js';
import { checkGraph } from './graph/check.js';
import { BINARY, type Constant, type Graph, type GraphFunction, type Node, UNARY } from './graph/graph.js';
import { channelsFirst } from './graph/layout.js';
import { checkJson, parseJson } from './json.js';
import type { Bytes } from './manifest.js';

export const GRAPH_JSON = 'safetensors/graph.json';
export const TENSORS_FILE = 'safetensors/model.safetensors';

/** @param graph channels last */
export function torchFiles(graph: Graph, storage: FloatStorage = 'float32'): Map<string, Bytes> {
  const first = channelsFirst(graph);
  const names = new Map([...first.constants.keys()].map(name => [name, torchName(name)]));
  if (new Set(names.values()).size !== names.size) throw new RangeError('two weights have one PyTorch name');
  const named = (node: Node) => ({ ...node, inputs: node.inputs.map(name => names.get(name) ?? name) });
  const json = {
    format: 'padezoo-graph',
    formatVersion: 1,
    layout: first.layout,
    input: first.input,
    output: first.output,
    functions: Object.fromEntries(first.functions),
    nodes: first.nodes.map(named),
  };
  const tensors = new Map(
    [...first.constants].map(([name, { shape, values }]) => [names.get(name)!, { shape, values, storage }]),
  );
  return new Map([
    [TENSORS_FILE, writeSafetensors(tensors, { format: 'pt' })],
    [GRAPH_JSON, new TextEncoder().encode(`${oneNodeALine(json)}\n`)],
  ]);
}

/** For people too. */
function oneNodeALine({ nodes, ...rest }: { readonly nodes: readonly unknown[] }): string {
  const lines = nodes.map(node => `    ${JSON.stringify(node)}`).join(',\n');
  return JSON.stringify({ ...rest, nodes: [] }, null, 2).replace(/\[\]\n\}$/, `[\n${lines}\n  ]\n}`);
}

const size = z.int().nonnegative();
const positive = z.int().positive();
const pair = z.tuple([positive, positive]);
const pads = z.tuple([size, size, size, size]);
const name = z.string().min(1);
const common = { name, inputs: z.array(name), shape: z.array(positive) };
const inside = { name, inputs: z.array(name) };

const NodeSchema = z.discriminatedUnion('op', [
  z.strictObject({ ...common, op: z.enum(['conv', 'depthwise']), strides: pair, pads, dilations: pair }),
  z.strictObject({ ...common, op: z.literal('maxPool'), size: pair, strides: pair, pads }),
  z.strictObject({
    ...common,
    op: z.literal('averagePool'),
    size: pair,
    strides: pair,
    pads: pads.default([0, 0, 0, 0]), // files from before there were any
  }),
  z.strictObject({ ...common, op: z.literal('upsample'), factors: pair }),
  z.strictObject({
    ...common,
    op: z.enum(['globalAverage', 'globalMax', 'dense', 'flatten', 'concat', 'view']),
  }),
  z.strictObject({ ...common, op: z.literal('batchNorm'), epsilon: z.number().nonnegative() }),
  z.strictObject({ ...common, op: z.literal('permute'), axes: z.tuple([size, size, size]) }),
  z.strictObject({ ...common, op: z.literal('maxout'), pieces: positive }),
  z.strictObject({ ...common, op: z.enum([...BINARY, ...UNARY]) }),
  z.strictObject({ ...common, op: z.literal('leakyRelu'), slope: z.number() }),
  z.strictObject({ ...common, op: z.literal('scalar'), value: z.number() }),
  z.strictObject({ ...common, op: z.literal('pick'), index: size }),
  z.strictObject({ ...common, op: z.literal('call'), function: name }),
]);

const GraphSchema = z.strictObject({
  format: z.literal('padezoo-graph'),
  formatVersion: z.literal(1),
  layout: z.literal('channels-first'),
  input: z.strictObject({ name, shape: z.array(positive) }),
  output: name,
  functions: z.record(
    name,
    z.strictObject({
      parameters: z.array(name).min(1),
      nodes: z.array(z.strictObject({ ...inside, op: z.enum([...BINARY, ...UNARY]) })),
      output: name,
    }),
  ),
  nodes: z.array(NodeSchema),
});

/**
 * Reads the two files back, believing nothing.
 *
 * @param bundle how errors name the bundle
 * @returns channels first
 * @throws ManifestError that names the file
 */
export function readTorchFiles(
  bundle: string,
  files: ReadonlyMap<string, Bytes>,
  folder = 'safetensors',
): Graph {
  const json = `${folder}/graph.json`;
  const tensorsFile = `${folder}/model.safetensors`;
  const given = checkJson(bundle, json, GraphSchema, parseJson(bundle, json, fileOf(bundle, files, json)));
  let constants: Map<string, Constant>;
  try {
    const { tensors } = parseSafetensors(fileOf(bundle, files, tensorsFile));
    constants = new Map([...tensors].map(([key, { shape, values }]) => [key, { shape, values: values() }]));
  } catch (cause) {
    if (!(cause instanceof SafetensorsError)) throw cause;
    throw new ManifestError(bundle, tensorsFile, '', cause.message.replace('safetensors: ', ''), { cause });
  }
  const graph: Graph = {
    layout: given.layout,
    input: given.input,
    output: given.output,
    nodes: given.nodes as readonly Node[],
    constants,
    functions: new Map(Object.entries(given.functions as Record<string, GraphFunction>)),
    layers: new Map(),
  };
  try {
    checkGraph(graph);
  } catch (cause) {
    throw new ManifestError(bundle, json, '', (cause as Error).message, { cause });
  }
  return graph;
}

function fileOf(bundle: string, files: ReadonlyMap<string, Bytes>, path: string): Bytes {
  const bytes = files.get(path);
  if (!bytes) throw new ManifestError(bundle, path, '', 'is missing; get the checkpoint again');
  return bytes;
}
