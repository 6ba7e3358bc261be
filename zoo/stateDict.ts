/** PyTorch weights in a network of the zoo: names, transpositions, and what is missing or too much. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { PadezooError } from '../src/errors.js';
import type { StoredTensor } from '../src/safetensors/read.js';
import { isActivation } from './summary.js';

type Layer = layers.layers.Layer;

/** A layer's module in a state dict, by the first pattern that fits: `[/^stem\/conv$/, () => 'conv1']`. */
export type ModuleRules = readonly (readonly [RegExp, (...groups: string[]) => string])[];

/** The weights do not fit the network; every name is in the message and in the fields. */
export class StateDictError extends PadezooError {
  override readonly name = 'StateDictError';
  constructor(
    where: string,
    /** In the network, not in the file. */
    readonly missing: readonly string[],
    /** In the file, not in the network. */
    readonly unexpected: readonly string[],
    /** In both, in different shapes. */
    readonly misshapen: readonly string[],
    advice: string,
  ) {
    const parts = [
      ['missing', missing],
      ['unexpected', unexpected],
      ['of another shape', misshapen],
    ] as const;
    const lists = parts
      .filter(([, names]) => names.length > 0)
      .map(([what, names]) => `${what}: ${names.join(', ')}`);
    super(`${where}: the weights do not fit; ${lists.join('; ')}${advice && `. ${advice}`}`);
  }
}

/** tfjs's name of a weight -> PyTorch's. */
const PARAMETERS: Readonly<Record<string, string>> = {
  kernel: 'weight',
  depthwise_kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  running_mean: 'running_mean',
  running_variance: 'running_var',
};

/** `'stage1/block1/conv1/kernel'` -> `'stage1.block1.conv1.weight'`: what PyTorch would call a weight of a layer of ours. */
export function torchName(weight: string): string {
  const [, layer, kind] = /^(.*)\/([^/]+)$/.exec(weight) ?? ['', '', weight];
  const name = Object.hasOwn(PARAMETERS, kind) ? PARAMETERS[kind]! : kind;
  return layer ? `${layer.replaceAll('/', '.')}.${name}` : name;
}

/** One weight of a network and where PyTorch keeps it. */
interface Place {
  readonly layer: Layer;
  readonly index: number;
  readonly name: string;
  /** PyTorch's. */
  readonly shape: readonly number[];
  toTfjs(values: tf.Tensor): tf.Tensor;
}

/**
 * Sets every weight but the activations' from a state dict.
 *
 * @param where the call, for the error
 * @param rules the names of the definition that the weights come from
 * @param advice what the error ends with
 * @throws StateDictError, before anything is changed
 */
export function loadStateDict(
  model: layers.LayersModel,
  stored: ReadonlyMap<string, StoredTensor>,
  { where, rules, advice }: { where: string; rules: ModuleRules; advice: string },
): void {
  const tensors = normalised(stored);
  const places = model.layers.filter(layer => !isActivation(layer)).flatMap(layer => placesOf(layer, rules));
  const missing = places.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
  const known = new Set(places.map(({ name }) => name));
  const unexpected = [...tensors.keys()].filter(name => !known.has(name));
  const misshapen = places.flatMap(({ name, shape }) => {
    const given = tensors.get(name)?.shape;
    return given && given.join() !== shape.join()
      ? [`${name} [${given.join(', ')}], expected [${shape.join(', ')}]`]
      : [];
  });
  if (missing.length + unexpected.length + misshapen.length > 0) {
    throw new StateDictError(where, missing, unexpected, misshapen, advice);
  }
  for (const { layer, index, name, shape, toTfjs } of places) {
    tf.tidy(() => {
      layer.weights[index]!.write(toTfjs(tf.tensor(tensors.get(name)!.values(), [...shape])));
    });
  }
}

/** Without the `module.` of DataParallel, in today's spelling, without the counters of batches. */
function normalised(stored: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of stored) {
    if (name.endsWith('num_batches_tracked')) continue;
    const today = name.replace(/^module\./, '').replace(/(denselayer\d+\.(?:norm|conv))\.([12])\./, '$1$2.');
    tensors.set(today, tensor);
  }
  return tensors;
}

function placesOf(layer: Layer, rules: ModuleRules): Place[] {
  return layer.weights.flatMap((weight, index) => {
    const kind = weight.originalName.split('/').at(-1)!;
    if (!Object.hasOwn(PARAMETERS, kind)) return []; // a dropout's count of steps
    const shape = weight.shape as number[];
    const name = `${moduleOf(layer.name, rules)}.${PARAMETERS[kind]}`;
    return { layer, index, name, ...layoutOf(layer, kind, shape) };
  });
}

/** The module that holds a layer's weights; without a rule it has the layer's own name. */
export function moduleOf(layer: string, rules: ModuleRules): string {
  for (const [pattern, name] of rules) {
    const match = pattern.exec(layer);
    if (match) return name(...match.slice(1));
  }
  return layer.replaceAll('/', '.');
}

/** PyTorch's shape of a weight, and the way from it to tfjs's. */
function layoutOf(layer: Layer, kind: string, shape: readonly number[]): Pick<Place, 'shape' | 'toTfjs'> {
  if (kind === 'depthwise_kernel') {
    const [height, width, channels, multiplier] = shape as [number, number, number, number];
    return {
      shape: [channels * multiplier, 1, height, width],
      toTfjs: values => tf.transpose(tf.reshape(values, [channels, multiplier, height, width]), [2, 3, 0, 1]),
    };
  }
  if (kind !== 'kernel') return { shape, toTfjs: values => values };
  if (shape.length === 4) {
    const [height, width, inputs, outputs] = shape as [number, number, number, number];
    return { shape: [outputs, inputs, height, width], toTfjs: values => tf.transpose(values, [2, 3, 1, 0]) };
  }
  const [inputs, outputs] = shape as [number, number];
  const [height = 1, width = 1] = flattenedPositions(layer);
  return {
    shape: [outputs, inputs],
    // PyTorch flattens [c, h, w], tfjs [h, w, c].
    toTfjs: values => {
      const apart = tf.reshape(values, [outputs, inputs / (height * width), height, width]);
      return tf.reshape(tf.transpose(apart, [2, 3, 1, 0]), [inputs, outputs]);
    },
  };
}

/** Height and width of the image that was flattened just before a dense layer; none when nothing was. */
function flattenedPositions(dense: Layer): number[] {
  const before = (dense.input as layers.SymbolicTensor).sourceLayer as Layer;
  if (before.getClassName() !== 'Flatten') return [];
  return (before.input as layers.SymbolicTensor).shape.slice(1, -1) as number[];
}
