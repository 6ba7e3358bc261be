/** Multiplies batch normalisation into the convolution or dense layer before it: fewer operators, other roundings. */
import { type Constant, type Graph, type Node, nodesByName } from './graph.js';

export interface Folding {
  readonly graph: Graph;
  /** Normalisations that are gone. */
  readonly layers: number;
}

/**
 * y = scale·(w∗x + b - mean)/√(variance + ε) + offset is a convolution with other weights, where nothing else reads w∗x.
 * @param graph channels last
 */
export function foldBatchNorm(graph: Graph): Folding {
  const byName = nodesByName(graph);
  const readers = new Map<string, number>();
  for (const { inputs } of graph.nodes)
    for (const input of inputs) readers.set(input, (readers.get(input) ?? 0) + 1);
  const constants = new Map(graph.constants);
  const replaced = new Map<string, readonly Node[]>();
  let layers = 0;
  for (const node of graph.nodes) {
    if (node.op !== 'batchNorm') continue;
    const before = byName.get(node.inputs[0]!);
    const bias = before?.op === 'add' ? constants.get(before.inputs[1]!) : undefined;
    const product = bias ? byName.get(before!.inputs[0]!) : before;
    if (product?.op !== 'conv' && product?.op !== 'depthwise' && product?.op !== 'dense') continue;
    const kernel = constants.get(product.inputs[1]!)!;
    const shared = [before!, product].some(({ name }) => readers.get(name) !== 1 || name === graph.output);
    if (shared || readers.get(product.inputs[1]!) !== 1) continue;
    const [scale, offset, mean, variance] = node.inputs.slice(1).map(name => constants.get(name)!.values);
    const factor = scale!.map((s, c) => s / Math.sqrt(variance![c]! + node.epsilon));
    const added = offset!.map((o, c) => o + factor[c]! * ((bias?.values[c] ?? 0) - mean![c]!));
    const [weights, shift] = [`${node.name}/folded_kernel`, `${node.name}/folded_bias`];
    constants.set(weights, scaled(kernel, factor));
    constants.set(shift, { shape: [factor.length], values: added });
    const folded = { ...product, name: `${node.name}/product`, inputs: [product.inputs[0]!, weights] };
    replaced.set(product.name, []);
    if (bias) replaced.set(before!.name, []);
    const inputs = [folded.name, shift];
    replaced.set(node.name, [folded, { name: node.name, op: 'add', inputs, shape: node.shape }]);
    layers++;
  }
  const nodes = graph.nodes.flatMap(node => replaced.get(node.name) ?? [node]);
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const gone = (name: string) => replaced.get(name)?.length === 0;
  return {
    layers,
    graph: {
      ...graph,
      nodes,
      constants: new Map([...constants].filter(([name]) => read.has(name))),
      layers: new Map([...graph.layers].filter(([, node]) => !gone(node))),
    },
  };
}

/** Output channels are a kernel's last axis; a depthwise kernel's last two. */
function scaled({ shape, values }: Constant, factor: Float32Array): Constant {
  const channels = factor.length;
  return { shape, values: values.map((value, i) => value * factor[i % channels]!) };
}
