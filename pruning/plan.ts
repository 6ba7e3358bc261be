/** What each step will leave of a network, counted before anything is trained. */
import type * as layers from '@tensorflow/tfjs-layers';
import { type ModelSummary, summary } from '../zoo/summary.js';
import type { CouplingGraph } from './graph.js';
import { type Bounds, keptChannels, type Widths } from './schedule.js';
import { type Alive, aliveChannels, survivors } from './surgery.js';

/** One convolution after a step. */
export interface PlannedLayer {
  readonly layer: string;
  /** Filters before any pruning, and after this step. */
  readonly original: number;
  readonly filters: number;
  /** Of the original filters, percent: what the step asks for is the step's own. */
  readonly removedPercent: number;
  readonly parameters: number;
  readonly macs: number;
}

export interface PlannedStep {
  readonly percent: number;
  readonly parameters: number;
  readonly activationParameters: number;
  readonly macs: number;
  readonly layers: readonly PlannedLayer[];
  /** What differs from what was asked for, and which widths will be slow. */
  readonly notes: readonly string[];
}

/** Channels that processors work on at once: 16 float32 in a register of AVX-512, 8 half-precision in a tensor core's row. */
const BLOCK = 8;

/** Parameters and multiply-accumulates, which a plan knows without building the network. */
export type PlannedSizes = Omit<ModelSummary, 'activationBytes'>;

/** Sizes of a network that keeps the channels in `alive`, without building it. */
export function sizesOf(model: layers.LayersModel, graph: CouplingGraph, alive: Alive): PlannedSizes {
  const changed = new Map<layers.LayerVariable, number[]>();
  for (const { layer, axes } of graph.layers) {
    const { weights } = model.getLayer(layer);
    for (const { weight, axis, channels } of axes) {
      const variable = weights[weight]!;
      const shape = changed.get(variable) ?? [...(variable.shape as number[])];
      shape[axis] = survivors(channels, alive).length;
      changed.set(variable, shape);
    }
  }
  const { activationBytes: _, ...sizes } = summary(
    model,
    weight => changed.get(weight) ?? (weight.shape as number[]),
  );
  return sizes;
}

/** Per group of the graph, its width before any pruning and now. */
export function widthsOf(graph: CouplingGraph, originals: Readonly<Record<string, number>> = {}): Widths[] {
  return graph.groups.map(({ width, members }) => {
    const { layer, channels } = members[0]!;
    // A layer may have several filters a channel, or not all of the group's.
    const filters = originals[layer] ?? channels.length;
    return { original: Math.round((filters / channels.length) * width), present: width };
  });
}

/** Channels that stay in each group at each step, where their number does not depend on scores. */
export function plannedCounts(
  widths: readonly Widths[],
  steps: readonly number[],
  bounds: Bounds,
): number[][] {
  let present = widths;
  return steps.map(percent => {
    const counts = present.map(each => keptChannels(each, percent, bounds));
    present = present.map(({ original }, i) => ({ original, present: counts[i]! }));
    return counts;
  });
}

/** A step described: sizes, every convolution, and what to know about it. */
export function describeStep(
  model: layers.LayersModel,
  graph: CouplingGraph,
  alive: Alive,
  percent: number,
  originals: Readonly<Record<string, number>>,
): PlannedStep {
  const { layers: rows, ...sizes } = sizesOf(model, graph, alive);
  const byName = new Map(rows.map(row => [row.name, row]));
  const planned = graph.groups.flatMap(({ members }) =>
    members.map(({ layer, channels }): PlannedLayer => {
      const filters = survivors(channels, alive).length;
      const original = originals[layer] ?? channels.length;
      const { parameters, macs } = byName.get(layer)!;
      return { layer, original, filters, removedPercent: 100 * (1 - filters / original), parameters, macs };
    }),
  );
  const order = new Map(rows.map(({ name }, i) => [name, i]));
  planned.sort((a, b) => order.get(a.layer)! - order.get(b.layer)!);
  return {
    percent,
    parameters: sizes.parameters,
    activationParameters: sizes.activationParameters,
    macs: sizes.macs,
    layers: planned,
    notes: notesOn(planned),
  };
}

/** The first `counts[i]` channels of group i: which they are makes no difference to sizes. */
export function firstChannels(graph: CouplingGraph, counts: readonly number[]): Alive {
  return aliveChannels(
    graph,
    counts.map(count => Array.from({ length: count }, (_, i) => i)),
  );
}

function notesOn(planned: readonly PlannedLayer[]): string[] {
  const names = (list: readonly PlannedLayer[]) =>
    `${list
      .slice(0, 4)
      .map(({ layer, filters }) => `${layer} (${filters})`)
      .join(', ')}${list.length > 4 ? ` and ${list.length - 4} more` : ''}`;
  const whole = planned.filter(({ filters, original }) => filters === original);
  const single = planned.filter(({ filters, original }) => filters === 1 && original > 1);
  const uneven = planned.filter(({ filters, original }) => original % BLOCK === 0 && filters % BLOCK !== 0);
  return [
    ...(whole.length > 0 ? [`too narrow to lose a filter at this percentage: ${names(whole)}`] : []),
    ...(single.length > 0 ? [`one filter is kept, the least there can be: ${names(single)}`] : []),
    ...(uneven.length > 0
      ? [
          `slower than their size suggests, no multiple of ${BLOCK} filters: ${names(uneven)}; { roundTo: ${BLOCK} } aligns them`,
        ]
      : []),
  ];
}
