/** Reads an ONNX model that padezoo wrote back, believing nothing: to prove it where there is no ONNX Runtime. */
import { fromBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { ManifestError } from '../errors.js';
import { FUNCTION_OPERATORS } from '../graph/check.js';
import {
  type Constant,
  type Graph,
  type GraphFunction,
  type Operator,
  type Pair,
  sizeOf,
  type Window,
} from '../graph/graph.js';
import { GraphReader, GraphReadingError, type Translated } from '../graph/reading.js';
import type { Bytes } from '../manifest.js';
import { DOMAIN, IR_VERSION, NEAREST, OPSET, SIMPLE } from './write.js';

export const ONNX_FILE = 'onnx/model.onnx';
const MAX_NODES = 100_000;
const MAX_RANK = 6;

/**
 * @param bundle how errors name the bundle
 * @returns channels first
 * @throws ManifestError
 */
export function readOnnx(bundle: string, bytes: Bytes, path = ONNX_FILE): Graph {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    // A RangeError, too: messages that nest without end.
    throw new ManifestError(bundle, path, '', `is not an ONNX model: ${(cause as Error).message}`, { cause });
  }
  try {
    return graphOf(model);
  } catch (cause) {
    if (!(cause instanceof GraphReadingError)) throw cause;
    throw new ManifestError(bundle, path, cause.field, cause.message, { cause });
  }
}

function graphOf(model: ModelProto): Graph {
  const { irVersion, opsetImport, graph, functions } = model;
  const fail = (field: string, problem: string): never => {
    throw new GraphReadingError(field, problem);
  };
  if (irVersion !== BigInt(IR_VERSION)) fail('ir_version', `is ${irVersion}, expected ${IR_VERSION}`);
  const opset = opsetImport.find(({ domain }) => domain === '')?.version;
  if (opset !== BigInt(OPSET)) fail('opset_import', `is ${opset}, expected ${OPSET}`);
  if (!graph) return fail('graph', 'is missing');
  if (graph.node.length > MAX_NODES) fail('graph.node', `has more than ${MAX_NODES} nodes`);
  if (graph.input.length !== 1 || graph.output.length !== 1) fail('graph', 'has several inputs or outputs');
  const ours = new Map(functions.map((given, i) => [given.name, functionOf(given, `functions[${i}]`)]));
  const { floats, integers } = initializersOf(graph);
  const translation = new Translation(inputOf(graph.input[0]!), floats, integers, ours);
  graph.node.forEach((node, i) => {
    translation.add(node, `graph.node[${i}]`);
  });
  return translation.reader.finish(graph.output[0]!.name, ours);
}

function inputOf({ name, type }: ValueInfoProto): Graph['input'] {
  const value = type?.value;
  const dims = value?.case === 'tensorType' ? (value.value.shape?.dim ?? []) : [];
  const [batch, ...sizes] = dims.map(dim => dim.value);
  const shape = sizes.map(size => (size.case === 'dimValue' ? Number(size.value) : 0));
  if (batch?.case !== 'dimParam' || shape.some(size => !(size >= 1 && size < 2 ** 31)))
    throw new GraphReadingError('graph.input[0]', 'is not a batch of tensors of a known shape');
  return { name, shape };
}

function initializersOf({ initializer }: GraphProto) {
  const floats = new Map<string, Constant>();
  const integers = new Map<string, readonly number[]>();
  initializer.forEach((given, i) => {
    const field = `graph.initializer[${i}]`;
    if (floats.has(given.name) || integers.has(given.name))
      throw new GraphReadingError(field, `'${given.name}' is there twice`);
    const shape = given.dims.map(Number);
    if (given.dataType === DataType.FLOAT) {
      floats.set(given.name, { shape, values: new Float32Array(rawOf(given, shape, 4, field)) });
    } else if (given.dataType === DataType.INT64) {
      integers.set(given.name, Array.from(new BigInt64Array(rawOf(given, shape, 8, field)), Number));
    } else throw new GraphReadingError(field, `has data type ${given.dataType}, expected float or int64`);
  });
  return { floats, integers };
}

function rawOf(
  { name, rawData }: TensorProto,
  shape: readonly number[],
  bytes: number,
  field: string,
): ArrayBuffer {
  if (shape.length > MAX_RANK || shape.some(size => size < 0) || sizeOf(shape) * bytes !== rawData.byteLength)
    throw new GraphReadingError(field, `'${name}' [${shape}] has ${rawData.byteLength} bytes of raw data`);
  return rawData.slice().buffer as ArrayBuffer; // a copy: it may not be aligned
}

const SIMPLE_OPERATORS = new Map(Object.entries(SIMPLE).map(([ours, theirs]) => [theirs as string, ours]));

function functionOf(
  given: {
    readonly input: string[];
    readonly output: string[];
    readonly node: NodeProto[];
    readonly domain: string;
  },
  field: string,
): GraphFunction {
  const nodes = given.node.map(({ opType, input, output, attribute }, i) => {
    const op = SIMPLE_OPERATORS.get(opType) as GraphFunction['nodes'][number]['op'] | undefined;
    if (op === undefined || !FUNCTION_OPERATORS.has(op) || output.length !== 1 || attribute.length > 0)
      throw new GraphReadingError(
        `${field}.node[${i}]`,
        `is a ${opType}, which padezoo's functions do not use`,
      );
    return { name: output[0]!, op, inputs: input } as GraphFunction['nodes'][number];
  });
  if (given.domain !== DOMAIN || given.output.length !== 1)
    throw new GraphReadingError(field, `is not a function of the domain ${DOMAIN} with one output`);
  return { parameters: given.input, nodes, output: given.output[0]! };
}

class Translation {
  readonly reader: GraphReader;
  readonly #floats: ReadonlyMap<string, Constant>;
  readonly #integers: ReadonlyMap<string, readonly number[]>;
  readonly #functions: ReadonlyMap<string, GraphFunction>;
  /** Pieces that a maximum is to be taken over. */
  readonly #pieces = new Map<string, { readonly input: string; readonly pieces: number }>();

  constructor(
    input: Graph['input'],
    floats: ReadonlyMap<string, Constant>,
    integers: ReadonlyMap<string, readonly number[]>,
    functions: ReadonlyMap<string, GraphFunction>,
  ) {
    this.reader = new GraphReader('channels-first', input, floats);
    this.#floats = floats;
    this.#integers = integers;
    this.#functions = functions;
  }

  add(node: NodeProto, field: string): void {
    const fail = (problem: string): never => {
      throw new GraphReadingError(field, `(${node.opType}) ${problem}`);
    };
    const attributes = new Attributes(node, fail);
    const made = this.#translated(node, field, attributes, fail);
    attributes.checkAllRead();
    if (made) this.reader.add(field, node.output[0]!, made.operator, made.inputs);
  }

  /** Our operator for ONNX's node; undefined for one that only prepares another. */
  #translated(
    { opType, input, output, domain }: NodeProto,
    field: string,
    attributes: Attributes,
    fail: (problem: string) => never,
  ): Translated | undefined {
    if (output.length !== 1 || !output[0]) fail(`has ${output.length} outputs`);
    const put = (operator: Operator, inputs: readonly string[] = input): Translated => ({ operator, inputs });
    if (domain === DOMAIN) {
      return this.#functions.has(opType)
        ? put({ op: 'call', function: opType })
        : fail('is not a function of the file');
    }
    if (domain !== '') fail(`is of the domain '${domain}'`);
    const simple = SIMPLE_OPERATORS.get(opType);
    if (simple !== undefined) return put({ op: simple } as Operator);
    switch (opType) {
      case 'Conv': {
        const group = attributes.int('group', 1);
        const kernel = this.#floats.get(input[1] ?? '')?.shape ?? fail('has no kernel');
        if (input.length !== 2) fail(`has ${input.length} inputs`);
        if (attributes.ints('kernel_shape', 2).join() !== kernel.slice(2).join())
          fail('has another kernel_shape than its kernel');
        const channels = this.reader.shapeOf(field, input[0])[0]!;
        if (group !== 1 && group !== channels) fail(`has ${group} groups`);
        // With one channel, a kernel of one input is both.
        const op = group === 1 ? 'conv' : 'depthwise';
        return put({ op, dilations: attributes.pair('dilations', [1, 1]), ...attributes.window() });
      }
      case 'MaxPool':
        return put({ op: 'maxPool', size: attributes.pair('kernel_shape'), ...attributes.window() });
      case 'AveragePool':
        attributes.zero('count_include_pad', 0);
        return put({ op: 'averagePool', size: attributes.pair('kernel_shape'), ...attributes.window() });
      case 'Resize': {
        for (const [name, word] of Object.entries(NEAREST)) attributes.word(name, word);
        const [batch, channels, ...factors] = this.#floats.get(input[2] ?? '')?.values ?? [];
        const whole =
          factors.length === 2 && factors.every(factor => Number.isInteger(factor) && factor >= 1);
        if (input.length !== 3 || input[1] !== '' || batch !== 1 || channels !== 1 || !whole)
          fail(`scales by [${[batch, channels, ...factors]}], expected whole numbers of rows and columns`);
        return put({ op: 'upsample', factors: factors as [number, number] }, input.slice(0, 1));
      }
      case 'ReduceMean':
        attributes.expect('axes', [2, 3]);
        attributes.zero('keepdims');
        return put({ op: 'globalAverage' });
      case 'ReduceMax': {
        attributes.zero('keepdims');
        const apart = this.#pieces.get(input[0] ?? '');
        attributes.expect('axes', apart ? [2] : [2, 3]);
        return apart ? put({ op: 'maxout', pieces: apart.pieces }, [apart.input]) : put({ op: 'globalMax' });
      }
      case 'Reshape': {
        const target = this.#integers.get(input[1] ?? '') ?? fail('has no target shape');
        const [first, channels = 0, pieces = 0] = target;
        const from = this.reader.shapeOf(field, input[0]);
        const makes = [channels * pieces, ...target.slice(3)];
        if (first !== 0 || pieces < 1 || makes.join() !== from.join()) fail(`makes [${target}] of [${from}]`);
        this.#pieces.set(output[0]!, { input: input[0]!, pieces });
        return undefined;
      }
      case 'BatchNormalization':
        return put({ op: 'batchNorm', epsilon: attributes.float('epsilon') });
      case 'Gemm':
        if (attributes.int('transB') !== 1) fail('has a kernel that is not transposed');
        return put({ op: 'dense' });
      case 'Flatten':
        if (attributes.int('axis') !== 1) fail('keeps another axis than the batch');
        return put({ op: 'flatten' });
      case 'Transpose': {
        const [batch, ...axes] = attributes.ints('perm', 4);
        if (batch !== 0) fail('moves the batch');
        return put({
          op: 'permute',
          axes: axes.map(axis => axis - 1) as unknown as [number, number, number],
        });
      }
      case 'Concat':
        if (attributes.int('axis') !== 1) fail('joins another axis than the channels');
        return put({ op: 'concat' });
      case 'LeakyRelu':
        return put({ op: 'leakyRelu', slope: attributes.float('alpha') });
      case 'Clip': {
        const bounds = input.slice(1).map(name => this.#floats.get(name)?.values[0]);
        if (bounds.join() !== '0,6') fail(`has bounds ${bounds}, expected 0 and 6`);
        return put({ op: 'relu6' }, input.slice(0, 1));
      }
      case 'Softmax':
        if (attributes.int('axis') !== 1) fail('is over another axis than the classes');
        return put({ op: 'softmax' });
      default:
        return fail('is not an operator that padezoo writes');
    }
  }
}

/** A node's attributes. What one means that is left out is given as `absent`, where ONNX says it and padezoo relies on it. */
class Attributes {
  readonly #node: NodeProto;
  readonly #fail: (problem: string) => never;
  readonly #read = new Set<string>();

  constructor(node: NodeProto, fail: (problem: string) => never) {
    this.#node = node;
    this.#fail = fail;
  }

  #find(name: string, type: AttributeType): AttributeProto | undefined {
    this.#read.add(name);
    const found = this.#node.attribute.find(attribute => attribute.name === name);
    return found && found.type !== type ? this.#fail(`has '${name}' of another type`) : found;
  }

  #missing(name: string): never {
    return this.#fail(`has no attribute '${name}'`);
  }

  int(name: string, absent?: number): number {
    const found = this.#find(name, AttributeType.INT);
    return found ? Number(found.i) : (absent ?? this.#missing(name));
  }

  float(name: string): number {
    return this.#find(name, AttributeType.FLOAT)?.f ?? this.#missing(name);
  }

  ints(name: string, length: number, absent?: readonly number[]): readonly number[] {
    const found = this.#find(name, AttributeType.INTS);
    if (!found) return absent ?? this.#missing(name);
    const list = found.ints.map(Number);
    if (list.length !== length || list.some(value => value < 0 || value > 2 ** 31))
      this.#fail(`has '${name}' [${list}]`);
    return list;
  }

  pair(name: string, absent?: Pair): Pair {
    const pair = this.ints(name, 2, absent);
    if (pair.some(value => value < 1)) this.#fail(`has '${name}' [${pair}]`);
    return pair as Pair;
  }

  window(): Window {
    const [top, left, bottom, right] = this.ints('pads', 4, [0, 0, 0, 0]) as readonly [
      number,
      number,
      number,
      number,
    ];
    return { strides: this.pair('strides', [1, 1]), pads: [top, bottom, left, right] };
  }

  word(name: string, expected: string): void {
    const given = this.#find(name, AttributeType.STRING)?.s ?? this.#missing(name);
    if (new TextDecoder().decode(given) !== expected) this.#fail(`has '${name}' other than ${expected}`);
  }

  expect(name: string, expected: readonly number[]): void {
    if (this.ints(name, expected.length).join() !== expected.join())
      this.#fail(`has '${name}' other than [${expected}]`);
  }

  zero(name: string, absent?: number): void {
    if (this.int(name, absent) !== 0) this.#fail(`has '${name}' other than 0`);
  }

  /** One that was not asked for (`auto_pad`, Elu's `alpha`) would change what the node does, as would a second of a name. */
  checkAllRead(): void {
    const names = this.#node.attribute.map(({ name }) => name);
    const other = names.find((name, i) => !this.#read.has(name) || names.indexOf(name) !== i);
    if (other !== undefined) this.#fail(`has an attribute '${other}', which padezoo does not write`);
  }
}
