/** Between the channels of coupled groups and what a record keeps: filters of each convolution, by their first indices. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type PruningRecord, provenanceOf } from '../src/training/provenance.js';
import type { CouplingGraph } from './graph.js';
import type { Selection } from './select.js';
import { aliveChannels, survivors } from './surgery.js';

/** Filters of each convolution before any pruning. */
export function originalsOf(model: LayersModel, graph: CouplingGraph): Record<string, number> {
  const known = provenanceOf(model).pruning?.at(-1)?.widths;
  if (known) return { ...known };
  const members = graph.groups.flatMap(group => group.members);
  return Object.fromEntries(members.map(({ layer, channels }) => [layer, channels.length]));
}

/** Filters that stay, as indices into the widths before any pruning. */
export function keptFilters(
  graph: CouplingGraph,
  model: LayersModel,
  selection: Selection,
): Record<string, readonly number[]> {
  const alive = aliveChannels(graph, selection);
  const before = provenanceOf(model).pruning?.at(-1)?.kept ?? {};
  const members = graph.groups.flatMap(group => group.members);
  return Object.fromEntries(
    members.map(({ layer, channels }) => {
      const left = survivors(channels, alive);
      return [layer, before[layer] ? left.map(index => before[layer]![index]!) : left];
    }),
  );
}

/** The channels that a record keeps, of the network that was given: `keptFilters` backwards. */
export function selectionOf(graph: CouplingGraph, model: LayersModel, { kept }: PruningRecord): Selection {
  const before = provenanceOf(model).pruning?.at(-1)?.kept ?? {};
  return graph.groups.map(({ first, members }) => {
    const left = new Set<number>();
    for (const { layer, channels } of members) {
      const own = new Set(kept[layer]);
      channels.forEach((channel, i) => {
        if (own.has(before[layer]?.[i] ?? i)) left.add(channel - first);
      });
    }
    return [...left].sort((a, b) => a - b);
  });
}
