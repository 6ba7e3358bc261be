/** Prepares kernels for storage in bytes: each output channel scaled to the same range, the scales beside it. */
import { type Graph, type Node, sizeOf } from './graph.js';

/** tfjs has one scale and one offset for a tensor; a channel's own scale is one more operator, on the kernel alone. */
const SCALED: ReadonlySet<string> = new Set(['conv', 'depthwise', 'dense']);

/** @param graph channels last, plain */
export function perChannel(graph: Graph): Graph {
  const constants = new Map(graph.constants);
  const nodes: Node[] = [];
  const done = new Set<string>();
  for (const node of graph.nodes) {
    const name = node.inputs[1] ?? '';
    const kernel = graph.constants.get(name);
    if (!SCALED.has(node.op) || !kernel) {
      nodes.push(node);
      continue;
    }
    const unit = `${name}/unit`;
    const scale = `${name}/scale`;
    const whole = `${name}/whole`;
    if (!done.has(name)) {
      const channelAxes = node.op === 'depthwise' ? kernel.shape.slice(-2) : kernel.shape.slice(-1);
      const channels = sizeOf(channelAxes);
      const largest = new Float32Array(channels);
      for (const [i, value] of kernel.values.entries())
        largest[i % channels] = Math.max(largest[i % channels]!, Math.abs(value));
      const scales = largest.map(value => value || 1);
      constants.set(unit, {
        shape: kernel.shape,
        values: kernel.values.map((value, i) => value / scales[i % channels]!),
      });
      constants.set(scale, { shape: channelAxes, values: scales });
      nodes.push({ name: whole, op: 'mul', inputs: [unit, scale], shape: kernel.shape });
      done.add(name);
    }
    nodes.push({ ...node, inputs: [node.inputs[0]!, whole] });
  }
  for (const name of done) constants.delete(name);
  return { ...graph, nodes, constants };
}
