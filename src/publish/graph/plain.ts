/** A graph without what only describes constants: functions written out, picked and single numbers as constants of their own. */
import { type Constant, type Graph, type Node, sizeOf } from './graph.js';

export interface PlainOptions {
  /** `'keep'` leaves calls of functions as they are, or those of the given names; default `'inline'`. */
  readonly functions?: 'inline' | 'keep' | ReadonlySet<string>;
}

/** The same network out of operators alone; constants that nothing reads any more are left out. */
export function plain(graph: Graph, { functions = 'inline' }: PlainOptions = {}): Graph {
  const constants = new Map(graph.constants);
  const nodes: Node[] = [];
  const kept = (name: string) => functions === 'keep' || (functions !== 'inline' && functions.has(name));
  const add = (node: Node) => {
    const constant = evaluated(node, constants);
    if (constant) constants.set(node.name, constant);
    else nodes.push(node);
  };
  for (const node of graph.nodes) {
    if (node.op === 'call' && !kept(node.function)) for (const inner of written(graph, node)) add(inner);
    else add(node);
  }
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  return {
    ...graph,
    nodes,
    constants: new Map([...constants].filter(([name]) => read.has(name))),
    functions: new Map([...graph.functions].filter(([name]) => kept(name))),
  };
}

/** A function's nodes with the call's inputs in the place of its parameters. */
function written(graph: Graph, call: Extract<Node, { op: 'call' }>): Node[] {
  const { parameters, nodes, output } = graph.functions.get(call.function)!;
  const names = new Map(parameters.map((parameter, i) => [parameter, call.inputs[i]!]));
  return nodes.map(node => {
    const name = node.name === output ? call.name : `${call.name}/${node.name}`;
    const inputs = node.inputs.map(input => names.get(input)!);
    names.set(node.name, name);
    return { ...node, name, inputs, shape: call.shape } as Node;
  });
}

/** What a node makes of constants; undefined for one that needs the image. */
function evaluated(node: Node, constants: ReadonlyMap<string, Constant>): Constant | undefined {
  if (node.op === 'scalar') return { shape: [], values: Float32Array.of(node.value) };
  const from = constants.get(node.inputs[0]!);
  if (!from) return undefined;
  if (node.op === 'view') return { shape: node.shape, values: from.values };
  if (node.op === 'abs') return { shape: from.shape, values: from.values.map(Math.abs) };
  if (node.op !== 'pick') return undefined;
  const length = from.shape.at(-1)!;
  const values = Float32Array.from(
    { length: sizeOf(node.shape) },
    (_, i) => from.values[i * length + node.index]!,
  );
  return { shape: node.shape, values };
}

/** What a writer or runner of plain graphs throws at an operator that `plain` takes out. */
export function notPlain(operator: string): RangeError {
  return new RangeError(`a plain graph has no operator '${operator}'`);
}
