/** A graph as a tfjs graph-model that stock `tf.loadGraphModel` runs: core operators only, nothing to register. */
import { type Constant, type Graph, type Node, samePads, type Window } from '../graph/graph.js';
import { notPlain, plain } from '../graph/plain.js';
import type { Bytes } from '../manifest.js';
import { shards } from '../shards.js';
import { storeFloats, storeIntegers, type WeightStorage } from './weights.js';

export const GRAPH_FOLDER = 'graph';

export interface GraphModelOptions {
  /** Of the weights; default `'float32'`. */
  readonly storage?: WeightStorage;
  /** Kept in the file for people: `model.metadata` when it is loaded. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly version: string;
}

/** The lowest float32, instead of -∞: some GPUs have none. */
const LOWEST = -3.4028234663852886e38;

/**
 * The files `model.json` and `group1-shard<i>of<n>.bin`.
 *
 * @param graph channels last
 */
export function graphModelFiles(graph: Graph, options: GraphModelOptions): Map<string, Bytes> {
  const { storage = 'float32', metadata, version } = options;
  const writer = new GraphDef(plain(graph));
  const { nodes, integers, floats } = writer;
  const { constants, input, output } = writer.graph;
  const stored = [...constants, ...floats].map(([name, constant]) =>
    storeFloats(name, constant, isKernel(constant) ? storage : 'float32'),
  );
  for (const [name, { shape, values }] of integers) stored.push(storeIntegers(name, shape, values));
  const { paths, files } = shards(stored.map(({ bytes }) => bytes));
  const json = {
    format: 'graph-model',
    generatedBy: `padezoo ${version}`,
    convertedBy: null,
    signature: {
      inputs: { [input.name]: tensorInfo(input.name, input.shape) },
      outputs: { logits: tensorInfo(output, writer.shapeOf(output)) },
    },
    ...(metadata && { userDefinedMetadata: metadata }),
    modelTopology: { node: nodes, versions: { producer: 1087, minConsumer: 12 } },
    weightsManifest: [{ paths, weights: stored.map(({ spec }) => spec) }],
  };
  return new Map([['model.json', new TextEncoder().encode(JSON.stringify(json))], ...files]);
}

function tensorInfo(name: string, shape: readonly number[]) {
  return { name: `${name}:0`, dtype: 'DT_FLOAT', tensorShape: tensorShape(shape) };
}

function tensorShape(shape: readonly number[]) {
  return { dim: [-1, ...shape].map(size => ({ size: String(size) })) };
}

/** Coefficients, biases and statistics are few, and their digits count. */
const isKernel = ({ shape }: Constant): boolean => shape.length >= 2;

type Attributes = Readonly<Record<string, unknown>>;

const FLOAT = { type: 'DT_FLOAT' };
/** Strings are base64 in a GraphDef's JSON. */
const text = (value: string) => ({ s: btoa(value) });
const integers = (values: readonly number[]) => ({ list: { i: values.map(String) } });

/** TensorFlow's names of the operators that have no attributes. */
export const SIMPLE = {
  add: 'AddV2',
  sub: 'Sub',
  mul: 'Mul',
  div: 'RealDiv',
  abs: 'Abs',
  neg: 'Neg',
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  softmax: 'Softmax',
} as const;

/** TensorFlow's nodes of a plain graph, and the small constants that their arguments need. */
class GraphDef {
  readonly graph: Graph;
  readonly nodes: { name: string; op: string; input?: readonly string[]; attr?: Attributes }[] = [];
  readonly integers = new Map<string, { shape: readonly number[]; values: Int32Array }>();
  readonly floats = new Map<string, Constant>();
  readonly #shapes = new Map<string, readonly number[]>();

  constructor(graph: Graph) {
    this.graph = graph;
    const { input, constants } = graph;
    this.#shapes.set(input.name, input.shape);
    for (const { name, shape } of graph.nodes) this.#shapes.set(name, shape);
    this.#node(input.name, 'Placeholder', [], { dtype: FLOAT, shape: { shape: tensorShape(input.shape) } });
    for (const name of constants.keys()) this.#node(name, 'Const', [], { dtype: FLOAT });
    for (const node of graph.nodes) this.#write(node);
  }

  shapeOf(name: string): readonly number[] {
    return this.#shapes.get(name)!;
  }

  #node(name: string, op: string, input: readonly string[], attr: Attributes = {}): string {
    this.nodes.push({ name, op, ...(input.length > 0 && { input }), attr });
    return name;
  }

  #integers(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    this.integers.set(name, { shape, values: Int32Array.from(values) });
    return this.#node(name, 'Const', [], { dtype: { type: 'DT_INT32' } });
  }

  #write(node: Node): void {
    const { name, inputs } = node;
    const put = (op: string, input: readonly string[], attr: Attributes = {}) =>
      this.#node(name, op, input, { T: FLOAT, ...attr });
    switch (node.op) {
      case 'conv':
      case 'depthwise': {
        const op = node.op === 'conv' ? 'Conv2D' : 'DepthwiseConv2dNative';
        put(op, inputs, {
          ...slides(node),
          ...padding(node),
          dilations: integers([1, ...node.dilations, 1]),
        });
        return;
      }
      case 'maxPool':
        put('MaxPool', [this.#padded(node)], {
          ...slides(node),
          ksize: integers([1, ...node.size, 1]),
          padding: text('VALID'),
        });
        return;
      case 'averagePool':
        put('AvgPool', inputs, {
          ...slides(node),
          ksize: integers([1, ...node.size, 1]),
          padding: text(this.#sameOrValid(node)),
        });
        return;
      case 'upsample': {
        const [rows, columns] = node.shape as [number, number];
        put('ResizeNearestNeighbor', [inputs[0]!, this.#integers(`${name}/size`, [rows, columns])], {
          align_corners: { b: false },
          half_pixel_centers: { b: false },
        });
        return;
      }
      case 'globalAverage':
      case 'globalMax':
        put(node.op === 'globalMax' ? 'Max' : 'Mean', [inputs[0]!, this.#integers(`${name}/axes`, [1, 2])], {
          keep_dims: { b: false },
        });
        return;
      case 'batchNorm':
        put('FusedBatchNormV3', inputs, {
          epsilon: { f: node.epsilon },
          is_training: { b: false },
          data_format: text('NHWC'),
        });
        return;
      case 'dense':
        put('MatMul', inputs, { transpose_a: { b: false }, transpose_b: { b: false } });
        return;
      case 'flatten':
        put('Reshape', [inputs[0]!, this.#integers(`${name}/shape`, [-1, ...node.shape])]);
        return;
      case 'permute':
        put('Transpose', [
          inputs[0]!,
          this.#integers(`${name}/perm`, [0, ...node.axes.map(axis => axis + 1)]),
        ]);
        return;
      case 'concat':
        put('ConcatV2', [...inputs, this.#integers(`${name}/axis`, [node.shape.length])], {
          N: { i: String(inputs.length) },
        });
        return;
      case 'maxout': {
        const apart = [-1, ...node.shape, node.pieces];
        const pieces = this.#node(
          `${name}/pieces`,
          'Reshape',
          [inputs[0]!, this.#integers(`${name}/shape`, apart)],
          { T: FLOAT },
        );
        put('Max', [pieces, this.#integers(`${name}/axis`, [apart.length - 1])], { keep_dims: { b: false } });
        return;
      }
      case 'leakyRelu':
        put('LeakyRelu', inputs, { alpha: { f: node.slope } });
        return;
      case 'scalar':
      case 'pick':
      case 'view':
      case 'call':
        throw notPlain(node.op);
      default:
        put(SIMPLE[node.op], inputs);
    }
  }

  /** TensorFlow's average of a padded window, which counts no padding, has no pads but its own. */
  #sameOrValid({ inputs, size, strides, pads }: Extract<Node, { op: 'averagePool' }>): 'SAME' | 'VALID' {
    if (pads.every(pad => pad === 0)) return 'VALID';
    const [rows, columns] = this.shapeOf(inputs[0]!) as [number, number];
    if (samePads([rows, columns], size, strides).join() === pads.join()) return 'SAME';
    throw new RangeError(`a graph-model has no average with pads [${pads}]`);
  }

  /** The maximum knows no explicit pads: they are added before it. */
  #padded({ name, inputs, pads }: Extract<Node, { op: 'maxPool' }>): string {
    const [x] = inputs as [string];
    if (pads.every(pad => pad === 0)) return x;
    const [top, bottom, left, right] = pads;
    const rows = this.#integers(`${name}/pads`, [0, 0, top, bottom, left, right, 0, 0], [4, 2]);
    this.floats.set('lowest', { shape: [], values: Float32Array.of(LOWEST) });
    if (!this.nodes.some(node => node.name === 'lowest')) this.#node('lowest', 'Const', [], { dtype: FLOAT });
    return this.#node(`${name}/padded`, 'PadV2', [x, rows, 'lowest'], { T: FLOAT });
  }
}

function slides({ strides }: Pick<Window, 'strides'>): Attributes {
  return { strides: integers([1, ...strides, 1]), data_format: text('NHWC') };
}

/** TensorFlow's SAME is another padding than PyTorch's at stride 2, so pads are always written out. */
function padding({ pads: [top, bottom, left, right] }: Window): Attributes {
  if (top + bottom + left + right === 0) return { padding: text('VALID') };
  return { padding: text('EXPLICIT'), explicit_paddings: integers([0, 0, top, bottom, left, right, 0, 0]) };
}
