/**
 * Reads a graph-model back, believing nothing: what stock tfjs accepts in silence is refused here. A float written as
 * text becomes another number there, missing dilations and a dangling input fail only when it runs, and weights in
 * shards of which the last is the largest read as zeros.
 */
import { z } from 'zod';
import { CorruptBundleError, ManifestError } from '../errors.js';
import { type Constant, type Graph, type Operator, type Pads, samePads, sizeOf } from '../graph/graph.js';
import { GraphReader, GraphReadingError, type Translated } from '../graph/reading.js';
import { checkJson, parseJson } from '../json.js';
import type { Bytes } from '../manifest.js';
import { joinShards } from '../shards.js';
import { constantsOf, WeightSpec } from './weights.js';
import { SIMPLE } from './write.js';

const Value = z.strictObject({
  s: z.string().optional(),
  i: z.union([z.string().regex(/^-?\d+$/), z.int()]).optional(),
  f: z.number('expected a number: as a text, tfjs reads another one').optional(),
  b: z.boolean().optional(),
  type: z.string().optional(),
  shape: z.json().optional(),
  list: z.strictObject({ i: z.array(z.union([z.string().regex(/^-?\d+$/), z.int()])) }).optional(),
});
const NodeDef = z.strictObject({
  name: z.string().min(1),
  op: z.string(),
  input: z.array(z.string().min(1)).optional(),
  attr: z.record(z.string(), Value).optional(),
});
type NodeDef = z.output<typeof NodeDef>;

const dim = z.array(z.strictObject({ size: z.string().regex(/^(-1|[1-9]\d{0,8})$/) }));
const TensorInfo = z.strictObject({
  name: z.string(),
  dtype: z.literal('DT_FLOAT'),
  tensorShape: z.strictObject({ dim }),
});
const signature = z
  .record(z.string(), TensorInfo)
  .refine(value => Object.keys(value).length === 1, 'expected one');

const ModelFile = z.strictObject({
  format: z.literal('graph-model'),
  generatedBy: z.string(),
  convertedBy: z.null(),
  signature: z.strictObject({ inputs: signature, outputs: signature }),
  userDefinedMetadata: z.record(z.string(), z.json()).optional(),
  modelTopology: z.strictObject({
    node: z.array(NodeDef).max(200_000),
    versions: z.strictObject({ producer: z.int(), minConsumer: z.int() }),
  }),
  weightsManifest: z.tuple([
    z.strictObject({ paths: z.array(z.string()).min(1), weights: z.array(WeightSpec) }),
  ]),
});

/**
 * @param bundle how errors name the bundle
 * @param files the bundle's, by path
 * @param folder in it, `'graph'`
 * @returns channels last
 * @throws ManifestError that names the field of model.json; CorruptBundleError for shards
 */
export function readGraphModel(bundle: string, files: ReadonlyMap<string, Bytes>, folder: string): Graph {
  const path = `${folder}/model.json`;
  const bytes = files.get(path);
  if (!bytes) throw new CorruptBundleError(bundle, path, 'is missing; get the checkpoint again');
  const json = checkJson(bundle, path, ModelFile, parseJson(bundle, path, bytes));
  const [{ paths, weights }] = json.weightsManifest;
  const data = joinShards(bundle, files, folder, paths);
  try {
    const constants = constantsOf(weights, data);
    return graphOf(json, constants);
  } catch (cause) {
    if (!(cause instanceof GraphReadingError)) throw cause;
    throw new ManifestError(bundle, path, cause.field, cause.message, { cause });
  }
}

function graphOf(json: z.output<typeof ModelFile>, weights: ReadonlyMap<string, Constant>): Graph {
  const { node: nodes } = json.modelTopology;
  const [input] = Object.values(json.signature.inputs) as [z.output<typeof TensorInfo>];
  const [output] = Object.values(json.signature.outputs) as [z.output<typeof TensorInfo>];
  const nameOf = (name: string) => name.replace(/:0$/, '');
  const shape = input.tensorShape.dim.slice(1).map(({ size }) => Number(size));
  const translation = new Translation({ name: nameOf(input.name), shape }, weights);
  nodes.forEach((node, i) => {
    translation.add(node, `modelTopology.node[${i}]`);
  });
  return translation.reader.finish(nameOf(output.name));
}

/** TensorFlow's names -> ours. */
const SIMPLE_OPERATORS = new Map(Object.entries(SIMPLE).map(([ours, theirs]) => [theirs as string, ours]));

class Translation {
  readonly reader: GraphReader;
  readonly #constants: ReadonlyMap<string, Constant>;
  readonly #input: Graph['input'];
  readonly #declared = new Set<string>();
  /** Steps of an operator that takes two of TensorFlow's: pads before pooling, pieces before their maximum. */
  readonly #pending = new Map<string, { readonly input: string; readonly arguments: readonly number[] }>();

  constructor(input: Graph['input'], constants: ReadonlyMap<string, Constant>) {
    this.#input = input;
    this.#constants = constants;
    this.reader = new GraphReader('channels-last', input, constants);
  }

  add(node: NodeDef, field: string): void {
    const made = this.#translated(node, field);
    if (made) this.reader.add(field, node.name, made.operator, made.inputs);
  }

  /** Our operator for TensorFlow's node; undefined for one that only prepares another. */
  #translated(node: NodeDef, field: string): Translated | undefined {
    const { name, op, input = [] } = node;
    const fail = (problem: string): never => {
      throw new GraphReadingError(field, `node '${name}' (${op}) ${problem}`);
    };
    if (op === 'Placeholder') {
      if (name !== this.#input.name) fail(`is not the input '${this.#input.name}' of the signature`);
      return undefined;
    }
    if (op === 'Const') {
      if (!this.#constants.has(name)) fail('has no weight of its name in weightsManifest');
      if (this.#declared.has(name)) fail('is there twice');
      this.#declared.add(name);
      return undefined;
    }
    const attributes = new Attributes(node, fail);
    /** A small list of integers that is an argument. */
    const numbers = (index: number): number[] => {
      const constant = this.#constants.get(input[index] ?? '');
      if (!constant || constant.values.length > 64) return fail(`has no list of numbers as input ${index}`);
      return [...constant.values];
    };
    const put = (operator: Operator, inputs: readonly string[] = input): Translated => ({ operator, inputs });
    for (const each of input) {
      if (!this.#pending.has(each)) this.reader.shapeOf(field, each);
    }
    const simple = SIMPLE_OPERATORS.get(op);
    if (simple !== undefined) return put({ op: simple } as Operator);
    const only = (count: number) =>
      input.length === count ? undefined : fail(`has ${input.length} inputs, expected ${count}`);
    switch (op) {
      case 'Conv2D':
      case 'DepthwiseConv2dNative':
        only(2);
        return put({
          op: op === 'Conv2D' ? 'conv' : 'depthwise',
          strides: attributes.sides('strides'),
          dilations: attributes.sides('dilations'),
          pads: attributes.pads(),
        });
      case 'PadV2': {
        const [, , top, bottom, left, right] = numbers(1) as [number, number, number, number, number, number];
        this.#pending.set(name, { input: input[0]!, arguments: [top, bottom, left, right] });
        return undefined;
      }
      case 'MaxPool': {
        const padded = this.#pending.get(input[0] ?? '');
        const pads = (padded?.arguments ?? [0, 0, 0, 0]) as unknown as Pads;
        attributes.word('padding', 'VALID');
        return put(
          { op: 'maxPool', size: attributes.sides('ksize'), strides: attributes.sides('strides'), pads },
          [padded?.input ?? input[0]!],
        );
      }
      case 'AvgPool': {
        const [size, strides] = [attributes.sides('ksize'), attributes.sides('strides')];
        const [rows = 0, columns = 0] = this.reader.shapeOf(field, input[0]);
        const same = attributes.word('padding', 'VALID', 'SAME') === 'SAME';
        const pads: Pads = same ? samePads([rows, columns], size, strides) : [0, 0, 0, 0];
        return put({ op: 'averagePool', size, strides, pads });
      }
      case 'ResizeNearestNeighbor': {
        only(2);
        attributes.flag('align_corners', false);
        attributes.flag('half_pixel_centers', false);
        const from = this.reader.shapeOf(field, input[0]);
        const factors = numbers(1).map((size, axis) => size / from[axis]!) as [number, number];
        if (factors.length !== 2 || factors.some(factor => !Number.isSafeInteger(factor) || factor < 1))
          fail(`makes [${numbers(1)}] of [${from}], expected a whole number of times`);
        return put({ op: 'upsample', factors }, [input[0]!]);
      }
      case 'Mean':
      case 'Max': {
        only(2);
        attributes.flag('keep_dims', false);
        const pieces = op === 'Max' ? this.#pending.get(input[0]!) : undefined;
        if (pieces) {
          if (numbers(1).join() !== String(pieces.arguments.length - 1)) fail('is not over the pieces');
          return put({ op: 'maxout', pieces: pieces.arguments.at(-1)! }, [pieces.input]);
        }
        if (numbers(1).join() !== '1,2') fail(`is over the axes ${numbers(1)}, expected 1,2`);
        return put({ op: op === 'Max' ? 'globalMax' : 'globalAverage' }, [input[0]!]);
      }
      case 'FusedBatchNormV3':
        only(5);
        attributes.flag('is_training', false);
        return put({ op: 'batchNorm', epsilon: attributes.float('epsilon') });
      case 'MatMul':
        attributes.flag('transpose_a', false);
        attributes.flag('transpose_b', false);
        return put({ op: 'dense' });
      case 'Reshape': {
        only(2);
        const target = numbers(1);
        if (target.length === 2) return put({ op: 'flatten' }, [input[0]!]);
        const from = this.reader.shapeOf(field, input[0]);
        if (target[0] !== -1 || sizeOf(target.slice(1)) !== sizeOf(from))
          fail(`makes [${target}] of [${from}]`);
        this.#pending.set(name, { input: input[0]!, arguments: target });
        return undefined;
      }
      case 'Transpose': {
        const axes = numbers(1)
          .slice(1)
          .map(axis => axis - 1) as unknown as [number, number, number];
        return put({ op: 'permute', axes }, [input[0]!]);
      }
      case 'ConcatV2': {
        const rank = this.reader.shapeOf(field, input[0]).length;
        if (numbers(input.length - 1).join() !== String(rank)) fail('joins another axis than the channels');
        return put({ op: 'concat' }, input.slice(0, -1));
      }
      case 'LeakyRelu':
        return put({ op: 'leakyRelu', slope: attributes.float('alpha') });
      default:
        return fail('is not an operator that padezoo writes');
    }
  }
}

/** A node's attributes, each of which must be there: tfjs has other defaults than PyTorch, or none. */
class Attributes {
  readonly #attr: NonNullable<NodeDef['attr']>;
  readonly #fail: (problem: string) => never;

  constructor({ attr = {} }: NodeDef, fail: (problem: string) => never) {
    this.#attr = attr;
    this.#fail = fail;
  }

  float(name: string): number {
    return this.#attr[name]?.f ?? this.#fail(`has no number '${name}'`);
  }

  flag(name: string, expected: boolean): void {
    if (this.#attr[name]?.b !== expected) this.#fail(`has '${name}' other than ${expected}`);
  }

  word(name: string, ...expected: readonly string[]): string {
    const given = this.#attr[name]?.s ?? this.#fail(`has no '${name}'`);
    const found = expected.find(text => btoa(text) === given);
    return found ?? this.#fail(`has '${name}' ${given}, expected ${expected.join(' or ')} in base64`);
  }

  #list(name: string, length: number): number[] {
    const list = this.#attr[name]?.list?.i.map(Number) ?? this.#fail(`has no '${name}'`);
    return list.length === length
      ? list
      : this.#fail(`has ${list.length} numbers in '${name}', expected ${length}`);
  }

  /** The two of the image, of batch, rows, columns and channels. */
  sides(name: string): [number, number] {
    const [batch, rows, columns, channels] = this.#list(name, 4) as [number, number, number, number];
    if (batch !== 1 || channels !== 1 || rows < 1 || columns < 1)
      this.#fail(`has '${name}' [${batch}, ${rows}, ${columns}, ${channels}]`);
    return [rows, columns];
  }

  pads(): Pads {
    if (this.word('padding', 'VALID', 'EXPLICIT') === 'VALID') return [0, 0, 0, 0];
    const pads = this.#list('explicit_paddings', 8);
    if (pads.some(pad => pad < 0)) this.#fail(`has 'explicit_paddings' [${pads}]`);
    return pads.slice(2, 6) as unknown as Pads;
  }
}
