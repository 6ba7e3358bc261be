/** A network as a list of operators with its weights beside it: what every published format but tfjs's own is written from. */

/** Numbers in row-major order. */
export interface Constant {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Of rows and of columns. */
export type Pair = readonly [number, number];
/** Rows above and below, columns left and right. */
export type Pads = readonly [top: number, bottom: number, left: number, right: number];

/** A window that slides over an image. */
export interface Window {
  readonly strides: Pair;
  readonly pads: Pads;
}

export const BINARY = ['add', 'sub', 'mul', 'div'] as const;
export const UNARY = ['abs', 'neg', 'relu', 'relu6', 'elu', 'sigmoid', 'tanh', 'softmax'] as const;

/**
 * What a node does with its inputs. A graph's `layout` says how images and kernels lie: channels last as in TensorFlow
 * (kernels `[h, w, in, out]`, depthwise `[h, w, c, multiplier]`, dense `[in, out]`) or first as in PyTorch
 * (`[out, in, h, w]`, `[c·multiplier, 1, h, w]`, `[out, in]`).
 */
export type Operator =
  /** x, kernel */
  | ({ readonly op: 'conv' | 'depthwise'; readonly dilations: Pair } & Window)
  /** x; what is padded is never the maximum */
  | ({ readonly op: 'maxPool'; readonly size: Pair } & Window)
  /** x; what is padded does not count */
  | ({ readonly op: 'averagePool'; readonly size: Pair } & Window)
  /** x: every pixel so many times, in rows and in columns */
  | { readonly op: 'upsample'; readonly factors: Pair }
  /** x: the mean, or the largest, of all positions */
  | { readonly op: 'globalAverage' | 'globalMax' }
  /** x, scale, offset, mean, variance, each of the four `[c]` */
  | { readonly op: 'batchNorm'; readonly epsilon: number }
  /** x, kernel */
  | { readonly op: 'dense' }
  /** x: all values of an image in the order of the layout */
  | { readonly op: 'flatten' }
  /** x, `[h, w, c]` from `[c, h, w]` or the other way round, by PyTorch's `permute` of the axes behind the batch */
  | { readonly op: 'permute'; readonly axes: readonly [number, number, number] }
  /** Two or more, along the channels */
  | { readonly op: 'concat' }
  /** x: channel c is the largest of the channels pieces·c ... pieces·c + pieces - 1 */
  | { readonly op: 'maxout'; readonly pieces: number }
  /** Two, one of which may be a constant that broadcasts */
  | { readonly op: (typeof BINARY)[number] }
  /** x; `softmax` over the last axis of `[n, c]` */
  | { readonly op: (typeof UNARY)[number] }
  /** x where x > 0, else slope·x */
  | { readonly op: 'leakyRelu'; readonly slope: number }
  /** The constant with this one value. */
  | { readonly op: 'scalar'; readonly value: number }
  /** A constant: its entries `[..., index]` */
  | { readonly op: 'pick'; readonly index: number }
  /** A constant in the node's shape */
  | { readonly op: 'view' }
  /** A function's parameters, in its order */
  | { readonly op: 'call'; readonly function: string };

/** One operator; its result goes by its name. */
export type Node = {
  readonly name: string;
  /** Names of nodes, constants, the graph's input or the function's parameters. */
  readonly inputs: readonly string[];
  /** Of the result, without the batch; of a constant result, all of it. */
  readonly shape: readonly number[];
} & Operator;

/** Operators that stand for one activation, such as P(x)/Q(x): element by element, so it has no shapes. */
export interface GraphFunction {
  readonly parameters: readonly string[];
  readonly nodes: readonly (Omit<Node, 'shape'> & Operator)[];
  readonly output: string;
}

export interface Graph {
  readonly layout: 'channels-last' | 'channels-first';
  /** `shape` without the batch, which is free. */
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  /** Every node after its inputs. */
  readonly nodes: readonly Node[];
  readonly output: string;
  readonly constants: ReadonlyMap<string, Constant>;
  readonly functions: ReadonlyMap<string, GraphFunction>;
  /** Layer -> the node whose result is the layer's output. */
  readonly layers: ReadonlyMap<string, string>;
}

/** Pads that make an image of `sides` so large that TensorFlow's SAME covers it; more of them at the end. */
export function samePads(sides: Pair, size: Pair, strides: Pair, dilations: Pair = [1, 1]): Pads {
  const [rows, columns] = [0, 1].map(axis => {
    const [length, stride] = [sides[axis]!, strides[axis]!];
    const window = (size[axis]! - 1) * dilations[axis]! + 1;
    const total = Math.max((Math.ceil(length / stride) - 1) * stride + window - length, 0);
    return [total >> 1, total - (total >> 1)] as const;
  }) as [Pair, Pair];
  return [...rows, ...columns];
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

/** The nodes by name. */
export const nodesByName = (graph: Graph): Map<string, Node> =>
  new Map(graph.nodes.map(node => [node.name, node]));
