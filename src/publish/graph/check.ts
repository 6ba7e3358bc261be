/** Decides whether a graph that a stranger wrote can be run: every name, every order, every shape, within limits. */
import { BINARY, type Graph, type GraphFunction, type Node, type Pads, sizeOf, UNARY } from './graph.js';

/** DenseNet201 with its Padé activations written out has about 6,000. */
const MAX_NODES = 100_000;
/** Of one image, in all results that are needed at a time: 20 times what DenseNet201 has at 224x224, 256 MiB. */
export const MAX_LIVE_VALUES = 2 ** 26;
const MAX_FUNCTION_NODES = 1_000;

type Shape = readonly number[];

/** @throws Error that names the node and the problem */
export function checkGraph(graph: Graph): void {
  const { nodes, input, output, constants, functions } = graph;
  for (const [name, made] of functions) checkFunction(name, made);
  const written = nodes.map(node =>
    node.op === 'call' ? (functions.get(node.function)?.nodes.length ?? 0) : 1,
  );
  if (written.reduce((sum, count) => sum + count, 0) > MAX_NODES)
    throw new Error(`has more than ${MAX_NODES} operators`);
  const shapes = new Map<string, Shape>([[input.name, input.shape]]);
  const constant = new Set(constants.keys());
  for (const [name, { shape, values }] of constants) {
    if (shapes.has(name)) throw new Error(`has '${name}' twice`);
    if (sizeOf(shape) !== values.length)
      throw new Error(`has ${values.length} values in '${name}' [${shape}]`);
    shapes.set(name, shape);
  }
  for (const node of nodes) {
    const fail = (problem: string): never => {
      throw new Error(`node '${node.name}' (${node.op}) ${problem}`);
    };
    if (shapes.has(node.name)) fail('has a name that is taken');
    const given = node.inputs.map(
      name => shapes.get(name) ?? fail(`reads '${name}', which does not exist before it`),
    );
    if (node.op === 'call' && !functions.has(node.function))
      fail(`calls '${node.function}', which does not exist`);
    if (node.op === 'call' && functions.get(node.function)!.parameters.length !== given.length)
      fail(`gives '${node.function}' ${given.length} inputs`);
    const isConstant =
      node.op === 'scalar' || (given.length > 0 && node.inputs.every(name => constant.has(name)));
    if (!Object.hasOwn(ARITY, node.op)) fail('is unknown');
    node.inputs.forEach((name, i) => {
      const weight = (WEIGHTS[node.op] ?? -1) >= 0 && i >= WEIGHTS[node.op]!;
      if ((weight || (CONSTANT_ONLY.has(node.op) && i === 0)) && !constant.has(name))
        fail(`reads '${name}', expected a constant`);
    });
    if (isConstant) constant.add(node.name);
    const shape = inferShape(node, given, graph.layout);
    if (typeof shape === 'string') fail(shape);
    else if (shape.join() !== node.shape.join()) fail(`makes [${shape}], but says [${node.shape}]`);
    shapes.set(node.name, node.shape);
  }
  checkMemory(graph, shapes, constant);
  if (!shapes.has(output) || constant.has(output)) throw new Error(`has no node '${output}' to put out`);
}

/** Follows the results as they come and are no longer needed; a window's image with its padding counts as well. */
function checkMemory(
  { nodes, input, layout }: Graph,
  shapes: ReadonlyMap<string, Shape>,
  constant: ReadonlySet<string>,
): void {
  const lastReader = new Map<string, number>();
  nodes.forEach(({ inputs }, i) => {
    for (const name of inputs) lastReader.set(name, i);
  });
  let live = sizeOf(input.shape);
  nodes.forEach((node, i) => {
    if (constant.has(node.name)) return;
    live += sizeOf(node.shape);
    const padded = 'pads' in node ? paddedSize(shapes.get(node.inputs[0]!)!, node.pads, layout) : 0;
    if (live + padded > MAX_LIVE_VALUES)
      throw new Error(
        `node '${node.name}' (${node.op}) needs more than ${MAX_LIVE_VALUES} values of an image at a time`,
      );
    for (const name of new Set(node.inputs))
      if (lastReader.get(name) === i && !constant.has(name)) live -= sizeOf(shapes.get(name)!);
    if (!lastReader.has(node.name)) live -= sizeOf(node.shape);
  });
}

/** Of an image with its padding; 0 without any, as nothing is copied then. */
function paddedSize(image: Shape, [top, bottom, left, right]: Pads, layout: Graph['layout']): number {
  if (top + bottom + left + right === 0) return 0;
  const [height, width, channels] =
    layout === 'channels-first' ? [image[1]!, image[2]!, image[0]!] : (image as [number, number, number]);
  return (height + top + bottom) * (width + left + right) * channels;
}

const INFINITE = Number.POSITIVE_INFINITY;
/** How few and how many inputs. */
const ARITY: Readonly<Record<Node['op'], readonly [number, number]>> = {
  conv: [2, 2],
  depthwise: [2, 2],
  maxPool: [1, 1],
  averagePool: [1, 1],
  upsample: [1, 1],
  globalAverage: [1, 1],
  globalMax: [1, 1],
  batchNorm: [5, 5],
  dense: [2, 2],
  flatten: [1, 1],
  permute: [1, 1],
  concat: [1, INFINITE],
  maxout: [1, 1],
  leakyRelu: [1, 1],
  scalar: [0, 0],
  pick: [1, 1],
  view: [1, 1],
  call: [1, INFINITE],
  ...record(BINARY, [2, 2] as const),
  ...record(UNARY, [1, 1] as const),
};
/** From which input on all are weights. */
const WEIGHTS: Partial<Record<Node['op'], number>> = { conv: 1, depthwise: 1, batchNorm: 1, dense: 1 };
const CONSTANT_ONLY: ReadonlySet<string> = new Set(['pick', 'view']);

function record<Key extends string, Value>(keys: readonly Key[], value: Value): Record<Key, Value> {
  return Object.fromEntries(keys.map(key => [key, value])) as Record<Key, Value>;
}

/** The shape of a node's result; a text says why there is none. */
export function inferShape(node: Node, inputs: readonly Shape[], layout: Graph['layout']): Shape | string {
  const [low, high] = ARITY[node.op];
  if (inputs.length < low || inputs.length > high) return `has ${inputs.length} inputs`;
  const [x = [], second = []] = inputs;
  const first = layout === 'channels-first';
  const channelAxis = x.length === 3 && first ? 0 : x.length - 1;
  const channels = x[channelAxis]!;
  const image = (sides: readonly number[], made: number) => (first ? [made, ...sides] : [...sides, made]);
  const sides = first ? x.slice(1) : x.slice(0, 2);
  const needsImage = (): string | undefined =>
    x.length === 3 ? undefined : `reads [${x}], expected an image`;
  const slid = (size: readonly number[], strides: readonly number[], pads: readonly number[]) =>
    sides.map((length, axis) => {
      const total = length + pads[2 * axis]! + pads[2 * axis + 1]!;
      return Math.floor((total - size[axis]!) / strides[axis]!) + 1;
    });
  const positive = (made: readonly number[]) =>
    made.every(size => size >= 1) ? made : `leaves nothing of [${x}]`;
  switch (node.op) {
    case 'conv':
    case 'depthwise': {
      if (second.length !== 4) return `has a kernel [${second}]`;
      const deep = node.op === 'depthwise';
      const [size, taken, made] = first
        ? [second.slice(2), second[1]!, second[0]!]
        : [second.slice(0, 2), second[2]!, deep ? second[2]! * second[3]! : second[3]!];
      const fits = deep
        ? first
          ? taken === 1 && made % channels === 0
          : taken === channels
        : taken === channels;
      if (!fits) return `has a kernel [${second}] for ${channels} channels`;
      const window = size.map((length, axis) => (length - 1) * node.dilations[axis]! + 1);
      const placed = positive(slid(window, node.strides, node.pads));
      return needsImage() ?? (typeof placed === 'string' ? placed : image(placed, made));
    }
    case 'maxPool':
    case 'averagePool': {
      // A window of nothing but padding would have no largest value, and an average of nothing.
      if (node.pads.some((pad, i) => pad >= node.size[i >> 1]!))
        return `pads by [${node.pads}], as much as its window`;
      const made = positive(slid(node.size, node.strides, node.pads));
      return needsImage() ?? (typeof made === 'string' ? made : image(made, channels));
    }
    case 'upsample':
      return (
        needsImage() ??
        image(
          sides.map((length, axis) => length * node.factors[axis]!),
          channels,
        )
      );
    case 'globalAverage':
    case 'globalMax':
      return needsImage() ?? [channels];
    case 'batchNorm':
      return inputs.slice(1).every(shape => shape.length === 1 && shape[0] === channels)
        ? x
        : `has statistics that are not of ${channels} channels`;
    case 'dense': {
      const [taken, made] = first ? [second[1], second[0]] : second;
      return x.length === 1 && second.length === 2 && taken === x[0]
        ? [made!]
        : `multiplies [${x}] with [${second}]`;
    }
    case 'flatten':
      return [sizeOf(x)];
    case 'permute':
      return (
        needsImage() ??
        ([...node.axes].sort().join() === '0,1,2'
          ? node.axes.map(axis => x[axis]!)
          : `has axes [${node.axes}]`)
      );
    case 'concat': {
      const others = (shape: Shape) => shape.filter((_, axis) => axis !== channelAxis).join();
      if (inputs.some(shape => shape.length !== x.length || others(shape) !== others(x)))
        return 'joins different shapes';
      return x.map((size, axis) =>
        axis === channelAxis ? inputs.reduce((sum, shape) => sum + shape[axis]!, 0) : size,
      );
    }
    case 'maxout':
      return channels % node.pieces === 0
        ? x.map((size, axis) => (axis === channelAxis ? size / node.pieces : size))
        : `takes ${node.pieces} pieces of ${channels} channels`;
    case 'scalar':
      return [];
    case 'pick':
      return node.index < (x.at(-1) ?? 0) ? x.slice(0, -1) : `picks ${node.index} of [${x}]`;
    case 'view':
      return sizeOf(node.shape) === sizeOf(x) ? node.shape : `makes [${node.shape}] of [${x}]`;
    case 'softmax':
      return x.length === 1 ? x : `is over [${x}]`;
    case 'call':
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
      return broadcast(inputs) ?? 'combines shapes that do not fit';
    default:
      return x;
  }
}

/** The largest of the shapes, to which every other broadcasts. */
function broadcast(shapes: readonly Shape[]): Shape | undefined {
  const widest = shapes.reduce((a, b) =>
    b.length > a.length || (b.length === a.length && sizeOf(b) > sizeOf(a)) ? b : a,
  );
  const fits = shapes.every(shape =>
    shape.every((size, axis) => size === 1 || size === widest[widest.length - shape.length + axis]),
  );
  return fits ? widest : undefined;
}

/** What a function's body may use: operators that work element by element, without attributes. */
export const FUNCTION_OPERATORS: ReadonlySet<string> = new Set([
  ...BINARY,
  ...UNARY.filter(op => op !== 'softmax'),
]);

function checkFunction(name: string, { parameters, nodes, output }: GraphFunction): void {
  const known = new Set(parameters);
  if (known.size !== parameters.length) throw new Error(`function '${name}' has a parameter twice`);
  if (nodes.length > MAX_FUNCTION_NODES) throw new Error(`function '${name}' has ${nodes.length} operators`);
  for (const node of nodes) {
    const [low, high] = FUNCTION_OPERATORS.has(node.op) ? ARITY[node.op] : [1, 0];
    const missing = node.inputs.find(input => !known.has(input));
    if (
      missing !== undefined ||
      known.has(node.name) ||
      node.inputs.length < low ||
      node.inputs.length > high
    )
      throw new Error(`function '${name}': node '${node.name}' (${node.op}) does not fit the ones before it`);
    known.add(node.name);
  }
  if (!nodes.some(node => node.name === output)) throw new Error(`function '${name}' makes no '${output}'`);
}
