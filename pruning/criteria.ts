/** Scores of channels: the lowest go first. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { OptionsError } from '../src/errors.js';
import { RandomStream } from '../src/random.js';
import type { CouplingGraph, WidthGroup } from './graph.js';
import { nameOf } from './rules.js';

/**
 * - `'sum'`: the signed sum of a filter's weights, the paper's letter (Molina et al., A.4.3)
 * - `'l1'`: of their magnitudes (Li et al. 2017); `'l2'`: the root of the sum of their squares
 * - `'random'`: drawn by seed, the control
 * - `'bn-scale'`: the magnitude of γ in the batch normalisation that the channel passes (Liu et al. 2017)
 * - `'taylor'`: (Σ gradient · weight)², what removal would change the loss by (Molchanov et al. 2019)
 * - `'fpgm'`: the sum of distances to the layer's other filters, low at their geometric median (He et al. 2019)
 */
export const CRITERIA = ['sum', 'l1', 'l2', 'random', 'bn-scale', 'taylor', 'fpgm'] as const;
export type CriterionName = (typeof CRITERIA)[number];

/** A filter, for a score of one's own. */
export interface Filter {
  /** The convolution's name. */
  readonly layer: string;
  /** Its number in the convolution as it is now. */
  readonly index: number;
  /** `[h, w, in]`, row-major; of a depthwise convolution `[h, w]`. */
  readonly weights: Float32Array;
}
export type Criterion = CriterionName | ((filter: Filter) => number);

/** How the scores of coupled convolutions make one. */
export const AGGREGATIONS = ['sum', 'mean', 'max'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

export interface Scoring {
  readonly criterion: Criterion;
  readonly aggregation: Aggregation;
  /** Of `'random'`. */
  readonly seed: number;
  /** Of `'taylor'`: scores of each convolution's filters, by its name. */
  readonly taylor?: ReadonlyMap<string, Float64Array>;
}

/**
 * A score for every channel of the graph. A channel that several filters of one convolution make has their sum.
 *
 * @throws OptionsError when `'bn-scale'` finds a group without batch normalisation, or a score is not a number
 */
export function channelScores(
  model: layers.LayersModel,
  graph: CouplingGraph,
  scoring: Scoring,
): Float64Array {
  const scores = new Float64Array(graph.channels);
  for (const group of graph.groups) {
    const { first, width } = group;
    const own = scores.subarray(first, first + width);
    if (scoring.criterion === 'random') {
      const random = new RandomStream(scoring.seed, 'random pruning', group.members[0]!.layer);
      for (let i = 0; i < width; i++) own[i] = random.uniform();
      continue;
    }
    const voices =
      scoring.criterion === 'bn-scale' ? scales(model, graph, group) : filters(model, group, scoring);
    combine(own, first, voices, scoring.aggregation);
  }
  return scores;
}

/** What one layer says about the channels that it makes or carries. */
interface Voice {
  readonly channels: Int32Array;
  readonly scores: Float64Array;
}

function filters(
  model: layers.LayersModel,
  { members }: WidthGroup,
  { criterion, taylor }: Scoring,
): Voice[] {
  return members.map(({ layer, weight, channels }) => {
    const known = criterion === 'taylor' ? taylor?.get(layer) : undefined;
    if (known) return { channels, scores: known };
    const kernel = model.getLayer(layer).weights[weight]!.read();
    const scores =
      criterion === 'fpgm'
        ? distances(kernel, channels.length)
        : filterScores(kernel.dataSync() as Float32Array, channels.length, layer, criterion as never);
    const wrong = scores.findIndex(score => Number.isNaN(score));
    if (wrong >= 0)
      throw new OptionsError(`prune: criterion: the score of filter ${wrong} of '${layer}' is not a number`);
    return { channels, scores };
  });
}

/**
 * A score per filter.
 *
 * @param kernel `[h, w, in, out]`, or `[h, w, in, multiplier]` of a depthwise convolution, in row-major order
 * @param count `out`, or `in · multiplier`
 */
export function filterScores(
  kernel: Float32Array,
  count: number,
  layer: string,
  criterion: 'sum' | 'l1' | 'l2' | ((filter: Filter) => number),
): Float64Array {
  if (typeof criterion === 'function') {
    return Float64Array.from({ length: count }, (_, index) => {
      const weights = Float32Array.from(
        { length: kernel.length / count },
        (_, i) => kernel[i * count + index]!,
      );
      return criterion({ layer, index, weights });
    });
  }
  const scores = new Float64Array(count);
  // A loop for each criterion: ResNet101 has 42 million weights, and a call for each takes a second.
  for (let row = 0; row < kernel.length; row += count) {
    if (criterion === 'sum') for (let i = 0; i < count; i++) scores[i]! += kernel[row + i]!;
    else if (criterion === 'l1') for (let i = 0; i < count; i++) scores[i]! += Math.abs(kernel[row + i]!);
    else for (let i = 0; i < count; i++) scores[i]! += kernel[row + i]! ** 2;
  }
  return criterion === 'l2' ? scores.map(Math.sqrt) : scores;
}

/** Σⱼ ‖filterᵢ − filterⱼ‖, by |a − b|² = |a|² + |b|² − 2ab: one matrix product instead of out² differences. */
function distances(kernel: tf.Tensor, count: number): Float64Array {
  const sums = tf.tidy(() => {
    const rows = tf.reshape(kernel, [-1, count]);
    const norms = tf.sum(tf.square(rows), 0);
    const products = tf.matMul(rows, rows, true, false);
    const squares = tf.sub(tf.add(tf.expandDims(norms, 0), tf.expandDims(norms, 1)), tf.mul(products, 2));
    const off = tf.sub(1, tf.eye(count)); // a filter's distance to itself is 0, not what rounding makes of it
    return tf.sum(tf.mul(tf.sqrt(tf.relu(squares)), off), 0).dataSync();
  });
  return Float64Array.from(sums);
}

function scales(model: layers.LayersModel, graph: CouplingGraph, group: WidthGroup): Voice[] {
  const voices = group.followers.flatMap(name => {
    const { weights } = model.getLayer(name);
    const gamma = weights.findIndex(weight => nameOf(weight) === 'gamma');
    const axes = graph.layers.find(({ layer }) => layer === name)!.axes;
    const axis = axes.find(({ weight }) => weight === gamma);
    return axis
      ? [{ channels: axis.channels, scores: Float64Array.from(weights[gamma]!.read().dataSync(), Math.abs) }]
      : [];
  });
  if (voices.length > 0) return voices;
  throw new OptionsError(
    `prune: criterion 'bn-scale': the channels of '${group.members[0]!.layer}' pass no batch normalisation; exclude it or choose another criterion`,
  );
}

function combine(own: Float64Array, first: number, voices: readonly Voice[], aggregation: Aggregation): void {
  const heard = new Float64Array(own.length);
  for (const { channels, scores } of voices) {
    const said = new Map<number, number>();
    channels.forEach((channel, i) => {
      const index = channel - first;
      if (index < 0 || index >= own.length) return;
      said.set(index, (said.get(index) ?? 0) + scores[i]!);
    });
    for (const [index, score] of said) {
      const before = own[index]!;
      own[index] = aggregation === 'max' && heard[index]! > 0 ? Math.max(before, score) : before + score;
      heard[index]!++;
    }
  }
  if (aggregation === 'mean') for (const [i, score] of own.entries()) own[i] = score / Math.max(1, heard[i]!);
}
