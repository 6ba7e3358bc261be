/** How channels pass through each kind of layer: what it makes, carries along and reads. */
import type * as layers from '@tensorflow/tfjs-layers';

type Layer = layers.layers.Layer;

/**
 * What a weight's axis has to do with channels: it makes them (`'filters'`), has an entry for each that passes
 * (`'follows'`), or takes them in and mixes them (`'reads'`). Zeroing what `'reads'` is what removal means.
 */
export type Role = 'filters' | 'follows' | 'reads';

/** A tensor between two layers: the channels of its last axis, and its shape without the batch. */
export interface Flow {
  readonly channels: Int32Array;
  readonly shape: readonly (number | null)[];
}

/** One call of a layer, as its rule sees it. */
export interface Call {
  readonly layer: Layer;
  /** As `getConfig` gives it. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Flow[];
  /** Without the batch. */
  readonly outputShape: readonly (number | null)[];
  /** Says what an axis of one of the layer's weights holds; a weight that the layer does not have is passed over. */
  axis(weight: string, axis: number, role: Exclude<Role, 'filters'>, channels: Int32Array): void;
  /** New channels, made by an axis of a weight. `widthKey`: the config entry that says how many. */
  filters(weight: string, axis: number, widthKey: string): Int32Array;
  /** The layer is a convolution: filter i of its kernel makes channel i of `channels`. */
  convolution(kernel: string, channels: Int32Array): void;
  /** A new entry of the config when channels have gone. */
  reconfigure(
    change: (kept: readonly number[]) => Readonly<Record<string, unknown>>,
    channels: Int32Array,
  ): void;
  /** Channels that must go together, one by one. */
  tie(a: Int32Array, b: Int32Array): void;
  /** New channels that stay, as many as the output has. */
  units(): Int32Array;
}

/** @returns the channels of the output's last axis; a string says why the layer is not understood as it is configured */
export type Rule = (call: Call) => Int32Array | string;

const rules = new Map<string, Rule>();

/**
 * Teaches pruning a layer class.
 *
 * ```ts
 * addRule('Scale', call => {
 *   call.axis('factor', 0, 'follows', call.inputs[0]!.channels);
 *   return call.inputs[0]!.channels;
 * });
 * ```
 * @param className as `getClassName()` gives it
 */
export function addRule(className: string, rule: Rule): void {
  rules.set(className, rule);
}

export function ruleOf(className: string): Rule | undefined {
  return rules.get(className);
}

/** The class names that have a rule. */
export function knownLayers(): string[] {
  return [...rules.keys()];
}

/** `'kernel'` of `'conv1/kernel'`. */
export function nameOf(weight: layers.LayerVariable): string {
  return weight.originalName.split('/').at(-1)!;
}

const firstOf = ({ inputs }: Call): Int32Array => inputs[0]!.channels;

/** Functions of each channel alone, and layers that only move along height and width. */
const passes: Rule = firstOf;
for (const name of [
  'ReLU',
  'LeakyReLU',
  'ELU',
  'ThresholdedReLU',
  'ReLU6',
  'RandomReLU',
  'ParametricReLU',
  'ContinuousELU',
  'Swish',
  'AdaptivePiecewiseLinear',
  'Mixture',
  'Polynomial',
  'SShapedReLU',
  'Dropout',
  'KeyedDropout',
  'SpatialDropout2D',
  'AlphaDropout',
  'GaussianDropout',
  'GaussianNoise',
  'MaxPooling2D',
  'PaddedMaxPooling2D',
  'AveragePooling2D',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'ZeroPadding2D',
  'Cropping2D',
  'UpSampling2D',
]) {
  addRule(name, call => ordered(call) ?? passes(call));
}

addRule('Activation', call => mixing(call) ?? passes(call));
addRule('Softmax', () => 'mixes its channels');

addRule('PReLU', call => {
  const alpha = call.layer.weights[0]?.shape ?? [];
  if (alpha.at(-1) === firstOf(call).length) call.axis('alpha', alpha.length - 1, 'follows', firstOf(call));
  return firstOf(call);
});

addRule('BatchNormalization', call => {
  const rank = call.inputs[0]!.shape.length + 1;
  if (![-1, rank - 1].includes(call.config.axis as number))
    return `normalises axis ${call.config.axis}, not channels`;
  for (const weight of ['gamma', 'beta', 'moving_mean', 'moving_variance'])
    call.axis(weight, 0, 'follows', firstOf(call));
  return firstOf(call);
});

addRule('BatchNorm', call => {
  for (const weight of ['gamma', 'beta', 'running_mean', 'running_variance'])
    call.axis(weight, 0, 'follows', firstOf(call));
  return firstOf(call);
});

/**
 * A set of coefficients for all channels, for each, or for runs of neighbours: there the n-th channels of all runs go
 * together, so that the runs stay as long as each other and every channel keeps its set.
 */
addRule('Pade', call => {
  const channels = firstOf(call);
  const { shared = 'layer' } = call.config as { shared?: 'layer' | 'channel' | { groups: number } };
  const groups = shared === 'layer' ? 1 : shared === 'channel' ? channels.length : shared.groups;
  if (groups === channels.length) {
    for (const weight of ['numerator', 'denominator']) call.axis(weight, 0, 'follows', channels);
    call.reconfigure(() => ({ shared: 'channel' }), channels);
    return channels;
  }
  const run = channels.length / groups;
  if (!Number.isInteger(run))
    return `shares ${groups} sets of coefficients among ${channels.length} channels, which are no multiple of it`;
  for (let i = 1; i < groups; i++)
    call.tie(channels.subarray(0, run), channels.subarray(i * run, (i + 1) * run));
  return channels;
});

/** Channel c is the largest of inputs k·c ... k·c + k - 1, which go with it. */
addRule('Maxout', call => {
  const channels = firstOf(call);
  const pieces = call.config.pieces as number;
  const nth = (piece: number) => channels.filter((_, i) => i % pieces === piece);
  for (let piece = 1; piece < pieces; piece++) call.tie(nth(0), nth(piece));
  return nth(0);
});

for (const name of ['Conv2D', 'PaddedConv2D']) {
  addRule(name, call => {
    const problem = ordered(call) ?? mixing(call);
    if (problem) return problem;
    call.axis('kernel', 2, 'reads', firstOf(call));
    const made = call.filters('kernel', 3, 'filters');
    call.convolution('kernel', made);
    call.axis('bias', 0, 'follows', made);
    return made;
  });
}

/** Its output c·multiplier + j sees input c alone, so they go together: it never decides what goes. */
for (const name of ['DepthwiseConv2D', 'PaddedDepthwiseConv2D']) {
  addRule(name, call => {
    const problem = ordered(call) ?? mixing(call);
    if (problem) return problem;
    const outputs = deepened(call);
    call.convolution('depthwise_kernel', outputs);
    call.axis('bias', 0, 'follows', outputs);
    return outputs;
  });
}

addRule('SeparableConv2D', call => {
  const problem = ordered(call) ?? mixing(call);
  if (problem) return problem;
  const between = deepened(call);
  call.axis('pointwise_kernel', 2, 'reads', between);
  const made = call.filters('pointwise_kernel', 3, 'filters');
  call.convolution('pointwise_kernel', made);
  call.axis('bias', 0, 'follows', made);
  // tfjs 4.22 leaves it out of the config.
  const depthMultiplier = multiplierOf(call);
  call.reconfigure(() => ({ depthMultiplier }), made);
  return made;
});

/** The outputs of a depthwise kernel `[h, w, channels, multiplier]`. */
function deepened(call: Call): Int32Array {
  const channels = firstOf(call);
  call.axis('depthwise_kernel', 2, 'follows', channels);
  const times = multiplierOf(call);
  return Int32Array.from({ length: channels.length * times }, (_, i) => channels[Math.floor(i / times)]!);
}

function multiplierOf({ layer }: Call): number {
  return layer.weights.find(weight => nameOf(weight) === 'depthwise_kernel')!.shape[3]!;
}

/** Its units are not filters: they stay. */
addRule('Dense', call => {
  call.axis('kernel', 0, 'reads', firstOf(call));
  return call.units();
});

for (const name of ['Add', 'Average', 'Maximum', 'Minimum', 'Multiply']) {
  addRule(name, call => {
    const [first, ...others] = call.inputs.map(({ channels }) => channels);
    const uneven = others.find(({ length }) => length !== first!.length);
    if (uneven) return `combines ${first!.length} with ${uneven.length} channels`;
    for (const other of others) call.tie(first!, other);
    return first!;
  });
}

addRule('Concatenate', call => {
  const rank = call.inputs[0]!.shape.length + 1;
  const axis = call.config.axis as number;
  const flows = call.inputs.map(({ channels }) => channels);
  if (axis === -1 || axis === rank - 1) return Int32Array.from(flows.flatMap(channels => [...channels]));
  for (const channels of flows.slice(1)) call.tie(flows[0]!, channels);
  return flows[0]!;
});

/** Height, width, channel: a position's channels lie together, so input p·C + c of what reads it is channel c. */
addRule('Flatten', call => ordered(call) ?? tiled(call));
addRule('Reshape', call => {
  const made = tiled(call);
  if (typeof made === 'string') return made;
  const target = call.config.targetShape as readonly (number | null)[];
  call.reconfigure(kept => ({ targetShape: [...target.slice(0, -1), kept.length] }), made);
  return made;
});

/** The channels again and again over a longer last axis. */
function tiled(call: Call): Int32Array | string {
  const channels = firstOf(call);
  const size = call.outputShape.at(-1);
  if (!size || size % channels.length !== 0)
    return `makes a last axis of ${size ?? 'any length'} out of ${channels.length} channels`;
  return Int32Array.from({ length: size }, (_, i) => channels[i % channels.length]!);
}

function ordered({ config }: Call): string | undefined {
  return config.dataFormat === 'channelsFirst'
    ? 'has its channels first; pruning wants them last'
    : undefined;
}

/** A softmax makes every channel depend on the others. */
function mixing({ config }: Call): string | undefined {
  return config.activation === 'softmax' ? 'ends in a softmax, which mixes its channels' : undefined;
}
