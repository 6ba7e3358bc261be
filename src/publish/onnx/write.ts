/** A graph as an ONNX model of plain operators (opset 17), or with each Padé activation as a function of its own. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  FunctionProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { bytesOf } from '../../bytes.js';
import type { Graph, GraphFunction, Node, Operator } from '../graph/graph.js';
import { channelsFirst } from '../graph/layout.js';
import { plain } from '../graph/plain.js';
import type { Bytes } from '../manifest.js';

export const OPSET = 17;
/** The IR version that came with opset 17; functions exist since 8. */
export const IR_VERSION = 8;
/** Of our functions. */
export const DOMAIN = 'padezoo';

export interface OnnxOptions {
  /** Whether each Padé activation is a model-local function instead of plain operators; default false. */
  readonly functions?: boolean;
  /** Kept in the file, as `metadata_props`. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly version: string;
}

/** @param graph channels last; the ONNX model takes `[batch, c, h, w]`, as ONNX has it, with any batch */
export function onnxFile(graph: Graph, { functions = false, metadata = {}, version }: OnnxOptions): Bytes {
  const first = plain(channelsFirst(graph), { functions: functions ? 'keep' : 'inline' });
  const writer = new Writer(first);
  const used = new Set(first.nodes.flatMap(node => (node.op === 'call' ? [node.function] : [])));
  const opsets = [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(OPSET) })];
  if (used.size > 0) opsets.push(create(OperatorSetIdProtoSchema, { domain: DOMAIN, version: 1n }));
  const output = first.nodes.find(({ name }) => name === first.output)?.shape ?? first.input.shape;
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(IR_VERSION),
    producerName: 'padezoo',
    producerVersion: version,
    opsetImport: opsets,
    metadataProps: Object.entries(metadata).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
    functions: [...used].map(name => functionProto(name, first.functions.get(name)!)),
    graph: create(GraphProtoSchema, {
      name: 'padezoo',
      node: writer.nodes,
      initializer: [
        ...[...first.constants].map(([name, { shape, values }]) =>
          tensor(name, DataType.FLOAT, shape, values),
        ),
        ...writer.initializers.values(),
      ],
      input: [valueInfo(first.input.name, first.input.shape)],
      output: [valueInfo(first.output, output)],
    }),
  });
  return toBinary(ModelProtoSchema, model) as Bytes;
}

function functionProto(name: string, { parameters, nodes, output }: GraphFunction) {
  return create(FunctionProtoSchema, {
    name,
    domain: DOMAIN,
    input: [...parameters],
    output: [output],
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(OPSET) })],
    node: nodes.map(({ name: y, inputs, op }) => node(SIMPLE[op as keyof typeof SIMPLE], inputs, y)),
  });
}

function valueInfo(name: string, shape: readonly number[]) {
  const dim = [
    create(TensorShapeProto_DimensionSchema, { value: { case: 'dimParam', value: 'batch' } }),
    ...shape.map(size =>
      create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(size) } }),
    ),
  ];
  const value = create(TypeProto_TensorSchema, {
    elemType: DataType.FLOAT,
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value } }),
  });
}

/** Little-endian, as every machine that runs Node has it. */
function tensor(
  name: string,
  dataType: DataType,
  shape: readonly number[],
  values: Float32Array | BigInt64Array,
): TensorProto {
  const rawData = bytesOf(values);
  return create(TensorProtoSchema, { name, dataType, dims: shape.map(BigInt), rawData });
}

type Attribute = number | string | readonly number[] | { readonly float: number };

function node(
  opType: string,
  input: readonly string[],
  output: string,
  attributes: Readonly<Record<string, Attribute>> = {},
  domain = '',
): NodeProto {
  return create(NodeProtoSchema, {
    name: output,
    opType,
    domain,
    input: [...input],
    output: [output],
    attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
  });
}

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  if (typeof value === 'string')
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  if ('float' in value)
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
}

/** ONNX's names of the operators that have no attributes. */
export const SIMPLE = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  abs: 'Abs',
  neg: 'Neg',
  relu: 'Relu',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
} as const satisfies Partial<Record<Operator['op'], string>>;

/** ONNX's nodes of a graph, and the small constants that their arguments need. */
class Writer {
  readonly nodes: NodeProto[] = [];
  readonly initializers = new Map<string, TensorProto>();
  readonly #graph: Graph;

  constructor(graph: Graph) {
    this.#graph = graph;
    for (const node of graph.nodes) this.#write(node);
  }

  #write(given: Node): void {
    const { name, inputs, shape } = given;
    const put = (opType: string, attributes: Readonly<Record<string, Attribute>> = {}, input = inputs) =>
      this.nodes.push(node(opType, input, name, attributes));
    switch (given.op) {
      case 'conv':
      case 'depthwise': {
        const { strides, dilations, pads } = given;
        const [filters, inside, ...size] = this.#graph.constants.get(inputs[1]!)!.shape as [number, number];
        const group = given.op === 'conv' ? 1 : this.#channels(inputs[0]!) / inside;
        void filters;
        return void put('Conv', { kernel_shape: size, strides, dilations, pads: sides(pads), group });
      }
      case 'maxPool':
        return void put('MaxPool', {
          kernel_shape: given.size,
          strides: given.strides,
          pads: sides(given.pads),
        });
      case 'averagePool':
        return void put('AveragePool', {
          kernel_shape: given.size,
          strides: given.strides,
          pads: sides(given.pads),
          count_include_pad: 0,
        });
      case 'upsample': {
        const scales = `${name}/scales`;
        this.initializers.set(
          scales,
          tensor(scales, DataType.FLOAT, [4], Float32Array.of(1, 1, ...given.factors)),
        );
        return void put('Resize', NEAREST, [inputs[0]!, '', scales]);
      }
      case 'globalAverage':
        return void put('ReduceMean', { axes: [2, 3], keepdims: 0 });
      case 'globalMax':
        return void put('ReduceMax', { axes: [2, 3], keepdims: 0 });
      case 'batchNorm':
        return void put('BatchNormalization', { epsilon: { float: given.epsilon } });
      case 'dense':
        return void put('Gemm', { transB: 1 });
      case 'flatten':
        return void put('Flatten', { axis: 1 });
      case 'permute':
        return void put('Transpose', { perm: [0, ...given.axes.map(axis => axis + 1)] });
      case 'concat':
        return void put('Concat', { axis: 1 });
      case 'maxout': {
        const apart = [0, shape[0]!, given.pieces, ...shape.slice(1)]; // 0: as it is
        const target = `${name}/shape`;
        this.initializers.set(
          target,
          tensor(target, DataType.INT64, [apart.length], BigInt64Array.from(apart, BigInt)),
        );
        this.nodes.push(node('Reshape', [inputs[0]!, target], `${name}/pieces`));
        return void put('ReduceMax', { axes: [2], keepdims: 0 }, [`${name}/pieces`]);
      }
      case 'leakyRelu':
        return void put('LeakyRelu', { alpha: { float: given.slope } });
      case 'relu6':
        return void put('Clip', {}, [inputs[0]!, this.#number(0), this.#number(6)]);
      case 'softmax':
        return void put('Softmax', { axis: 1 });
      case 'call':
        return void this.nodes.push(node(given.function, inputs, name, {}, DOMAIN));
      case 'scalar':
      case 'pick':
      case 'view':
        throw new RangeError(`a plain graph has no operator '${given.op}'`);
      default:
        return void put(SIMPLE[given.op]);
    }
  }

  #channels(name: string): number {
    return (this.#graph.nodes.find(node => node.name === name)?.shape ?? this.#graph.input.shape)[0]!;
  }

  #number(value: number): string {
    const name = `number/${value}`;
    this.initializers.set(name, tensor(name, DataType.FLOAT, [], Float32Array.of(value)));
    return name;
  }
}

/** Every pixel as it is, as many times as the scale says. */
export const NEAREST = {
  mode: 'nearest',
  coordinate_transformation_mode: 'asymmetric',
  nearest_mode: 'floor',
} as const;

/** ONNX lists all beginnings before all ends. */
function sides([top, bottom, left, right]: readonly [number, number, number, number]): number[] {
  return [top, left, bottom, right];
}
