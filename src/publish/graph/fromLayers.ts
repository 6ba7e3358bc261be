/** A tfjs LayersModel as a graph of operators, as it is at inference. */
import type * as layers from '@tensorflow/tfjs-layers';
import { inputsOf } from '../../../pruning/graph.js';
import { OptionsError } from '../../errors.js';
import { ACTIVATIONS, FUSED } from './activations.js';
import { GraphBuilder, type Value } from './builder.js';
import { UnpublishableLayerError } from './errors.js';
import { type Graph, type Pads, samePads } from './graph.js';

type Layer = layers.layers.Layer;
type Tensor = layers.SymbolicTensor;
type Pair = readonly [number, number];
type Config = Readonly<Record<string, unknown>>;

/**
 * @param model with one image (or vector) as input and one output; borrowed
 * @throws UnpublishableLayerError for a layer that other runtimes have no operators for; OptionsError for a model with
 *   several inputs or outputs
 */
export function graphOf(model: layers.LayersModel): Graph {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new OptionsError(
      `publish: '${model.name}' has ${model.inputs.length} inputs and ${model.outputs.length} outputs, expected one of each`,
    );
  }
  const input = symbolOf(model.inputs[0]!, model.inputs[0]!.sourceLayer.name);
  const graph = new GraphBuilder(input);
  const values = new Map<Tensor, Value>([[model.inputs[0]!, input]]);
  const output = model.outputs[0]!;
  // A list instead of recursion: a network may have thousands of layers.
  const waiting = [output];
  while (waiting.length > 0) {
    const next = waiting.at(-1)!;
    const inputs = inputsOf(next);
    const missing = values.has(next) ? [] : inputs.filter(tensor => !values.has(tensor));
    if (missing.length > 0) {
      waiting.push(...missing);
      continue;
    }
    waiting.pop();
    if (values.has(next)) continue;
    values.set(
      next,
      add(
        graph,
        next,
        inputs.map(tensor => values.get(tensor)!),
      ),
    );
  }
  return graph.graph(values.get(output)!);
}

function symbolOf(tensor: Tensor, name: string): Value {
  const shape = tensor.shape.slice(1);
  if (shape.some(size => size === null)) {
    const problem = `makes [${tensor.shape.map(size => size ?? '?')}], expected sizes that are known`;
    throw new UnpublishableLayerError(tensor.sourceLayer.name, tensor.sourceLayer.getClassName(), problem);
  }
  return { name, shape: shape as number[] };
}

function add(graph: GraphBuilder, tensor: Tensor, inputs: readonly Value[]): Value {
  const layer = tensor.sourceLayer;
  const type = layer.getClassName();
  const { shape } = symbolOf(tensor, layer.name);
  const activation = Object.hasOwn(ACTIVATIONS, type) ? ACTIVATIONS[type] : undefined;
  const writer = Object.hasOwn(LAYERS, type) ? LAYERS[type] : undefined;
  try {
    if (!activation && !writer) throw new Error('is not one that other runtimes have operators for');
    const value = activation
      ? activation(graph, layer, inputs[0]!)
      : writer!({ graph, layer, inputs, shape, config: layer.getConfig() as Config });
    graph.layer(layer.name, value);
    return value;
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new UnpublishableLayerError(layer.name, type, cause.message);
  }
}

/** One call of a layer. */
interface Call {
  readonly graph: GraphBuilder;
  readonly layer: Layer;
  readonly inputs: readonly Value[];
  /** Of the output, without the batch. */
  readonly shape: readonly number[];
  readonly config: Config;
}

const LAYERS: Readonly<Record<string, (call: Call) => Value>> = {
  Conv2D: convolution,
  PaddedConv2D: convolution,
  DepthwiseConv2D: convolution,
  PaddedDepthwiseConv2D: convolution,
  SeparableConv2D: separable,

  Dense(call) {
    const y = call.graph.node(
      step(call, 'product'),
      { op: 'dense' },
      [call.inputs[0]!, weight(call, 'kernel')],
      call.shape,
    );
    return finished(call, y);
  },

  BatchNorm: call => normalised(call, ['gamma', 'beta', 'running_mean', 'running_variance']),
  BatchNormalization(call) {
    if (![-1, call.shape.length].includes(call.config.axis as number))
      throw new Error('normalises another axis than channels');
    if (call.layer.weights.length !== 4) throw new Error('has no scale or no centre');
    return normalised(call, ['gamma', 'beta', 'moving_mean', 'moving_variance']);
  },

  MaxPooling2D: maxPool,
  PaddedMaxPooling2D: maxPool,
  AveragePooling2D(call) {
    channelsLast(call);
    const { size, strides } = poolWindow(call.config);
    const operator = { op: 'averagePool', size, strides, pads: pads(call, size, strides) } as const;
    return call.graph.node(call.layer.name, operator, call.inputs, call.shape);
  },
  UpSampling2D(call) {
    channelsLast(call);
    const { interpolation, size } = call.config;
    if (interpolation !== 'nearest')
      throw new Error(
        `interpolates (${interpolation}), which the runtimes do differently; expected 'nearest'`,
      );
    return call.graph.node(call.layer.name, { op: 'upsample', factors: pair(size) }, call.inputs, call.shape);
  },
  GlobalAveragePooling2D(call) {
    channelsLast(call);
    return call.graph.node(call.layer.name, { op: 'globalAverage' }, call.inputs, call.shape);
  },
  GlobalMaxPooling2D(call) {
    channelsLast(call);
    return call.graph.node(call.layer.name, { op: 'globalMax' }, call.inputs, call.shape);
  },

  Flatten(call) {
    channelsLast(call);
    return flattened(call);
  },
  Reshape(call) {
    if (call.shape.join() === call.inputs[0]!.shape.join()) return call.inputs[0]!;
    if (call.shape.length === 1) return flattened(call);
    const problem = `makes [${call.shape}] of [${call.inputs[0]!.shape}]`;
    throw new Error(`${problem}, an image whose channels other runtimes have elsewhere; expected a vector`);
  },

  Add: call => folded(call, 'add'),
  Multiply: call => folded(call, 'mul'),
  Concatenate(call) {
    const axis = call.config.axis as number;
    if (axis !== -1 && axis !== call.shape.length)
      throw new Error(`joins axis ${axis}, expected the channels`);
    return call.graph.node(call.layer.name, { op: 'concat' }, call.inputs, call.shape);
  },

  Activation: call => fused(call, call.inputs[0]!, call.layer.name),
  Softmax(call) {
    if (call.shape.length !== 1) throw new Error('is over an image, expected a vector');
    return call.graph.node(call.layer.name, { op: 'softmax' }, call.inputs);
  },

  // At inference they change nothing.
  Dropout: same,
  KeyedDropout: same,
  SpatialDropout2D: same,
  AlphaDropout: same,
  GaussianDropout: same,
  GaussianNoise: same,
};

function same({ inputs }: Call): Value {
  return inputs[0]!;
}

function convolution(call: Call): Value {
  channelsLast(call);
  const { graph, layer, inputs, shape, config } = call;
  const depthwise = layer.weights[0]!.originalName.endsWith('depthwise_kernel');
  const kernel = weight(call, depthwise ? 'depthwise_kernel' : 'kernel');
  if (!depthwise && kernel.shape[2] !== inputs[0]!.shape[2]) throw new Error('has groups');
  const strides = pair(config.strides);
  const dilations = pair(config.dilationRate);
  const operator = {
    op: depthwise ? 'depthwise' : 'conv',
    strides,
    dilations,
    pads: pads(call, [kernel.shape[0]!, kernel.shape[1]!], strides, dilations),
  } as const;
  return finished(call, graph.node(step(call, 'product'), operator, [inputs[0]!, kernel], shape));
}

/** Each channel by itself, then all together pixel by pixel. */
function separable(call: Call): Value {
  channelsLast(call);
  const { graph, layer, inputs, shape, config } = call;
  const [deep, point] = [weight(call, 'depthwise_kernel'), weight(call, 'pointwise_kernel')];
  const [strides, dilations] = [pair(config.strides), pair(config.dilationRate)];
  const size = [deep.shape[0]!, deep.shape[1]!] as const;
  const alone = graph.node(
    `${layer.name}/depthwise`,
    { op: 'depthwise', strides, dilations, pads: pads(call, size, strides, dilations) },
    [inputs[0]!, deep],
    [...shape.slice(0, 2), point.shape[2]!],
  );
  const mixing = { op: 'conv', strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] } as const;
  return finished(call, graph.node(step(call, 'product'), mixing, [alone, point], shape));
}

function flattened({ graph, layer, inputs, shape }: Call): Value {
  const [x] = inputs as [Value];
  return x.shape.length === 1 ? x : graph.node(layer.name, { op: 'flatten' }, [x], shape);
}

/** Adds the bias and the layer's own activation, where it has them. */
function finished(call: Call, product: Value): Value {
  const named = call.config.activation !== 'linear';
  const biased = call.config.useBias
    ? call.graph.node(named ? step(call, 'biased') : call.layer.name, { op: 'add' }, [
        product,
        weight(call, 'bias'),
      ])
    : product;
  return fused(call, biased, call.layer.name);
}

/** A layer's first operator: has the layer's name when nothing follows. */
function step(call: Call, name: string): string {
  const last = name === 'product' && !call.config.useBias && call.config.activation === 'linear';
  return last ? call.layer.name : `${call.layer.name}/${name}`;
}

function fused({ graph, config, shape }: Call, x: Value, name: string): Value {
  const given = String(config.activation);
  const op = Object.hasOwn(FUSED, given) ? FUSED[given] : undefined;
  if (op === undefined) throw new Error(`ends in the activation ${given}`);
  if (op === 'softmax' && shape.length !== 1) throw new Error('ends in a softmax over an image');
  return op === 'linear' ? x : graph.node(name, { op }, [x]);
}

function normalised(call: Call, names: readonly string[]): Value {
  const weights = names.map(name => weight(call, name));
  const operator = { op: 'batchNorm', epsilon: call.config.epsilon as number } as const;
  return call.graph.node(call.layer.name, operator, [call.inputs[0]!, ...weights], call.shape);
}

function maxPool(call: Call): Value {
  channelsLast(call);
  const { size, strides } = poolWindow(call.config);
  const operator = { op: 'maxPool', size, strides, pads: pads(call, size, strides) } as const;
  return call.graph.node(call.layer.name, operator, call.inputs, call.shape);
}

function poolWindow(config: Config): { size: Pair; strides: Pair } {
  return { size: pair(config.poolSize), strides: pair(config.strides ?? config.poolSize) };
}

/** Several inputs one after the other. */
function folded({ graph, layer, inputs }: Call, op: 'add' | 'mul'): Value {
  const [first, ...others] = inputs as [Value, ...Value[]];
  if (others.some(({ shape }) => shape.join() !== first.shape.join()))
    throw new Error('combines different shapes');
  return others.reduce(
    (sum, other, i) =>
      graph.node(i === others.length - 1 ? layer.name : `${layer.name}/${i}`, { op }, [sum, other]),
    first,
  );
}

function weight({ graph, layer }: Call, name: string): Value {
  const found = layer.weights.find(({ originalName }) => originalName.split('/').at(-1) === name)!;
  return graph.weight(`${layer.name}/${name}`, found.read());
}

/** Rows and columns on each side: the layer's own number, or what TensorFlow's words mean for its input's size. */
function pads({ config, inputs }: Call, size: Pair, strides: Pair, dilations: Pair = [1, 1]): Pads {
  if (typeof config.pad === 'number') return [config.pad, config.pad, config.pad, config.pad];
  if (config.padding === 'valid') return [0, 0, 0, 0];
  if (config.padding !== 'same') throw new Error(`has the padding ${config.padding}`);
  return samePads([inputs[0]!.shape[0]!, inputs[0]!.shape[1]!], size, strides, dilations);
}

function pair(value: unknown): Pair {
  const [rows, columns] = Array.isArray(value) ? value : [value, value];
  return [rows as number, columns as number];
}

function channelsLast({ config }: Call): void {
  if (config.dataFormat === 'channelsFirst') throw new Error('has its channels first');
}
