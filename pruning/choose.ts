/** Which channels of a network a step keeps: those with the highest scores, or as many at random. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { provenanceOf } from '../src/training/provenance.js';
import { channelScores } from './criteria.js';
import type { CouplingGraph } from './graph.js';
import { type Plan, seedOf } from './options.js';
import { plannedCounts, widthsOf } from './plan.js';
import { type Selection, selectByLayer, selectGlobally } from './select.js';
import { taylorScores } from './taylor.js';

/** By the plan's criterion; a step's percentage counts from the widths before any pruning, which the network remembers. */
export async function ranked(
  model: LayersModel,
  graph: CouplingGraph,
  percent: number,
  plan: Plan,
): Promise<Selection> {
  const seed = seedOf(plan, percent);
  const { criterion, aggregation, data, recipe } = plan;
  const taylor =
    criterion === 'taylor'
      ? await taylorScores(model, graph, data!, { batchSize: recipe?.batchSize ?? 128, seed })
      : undefined;
  const scores = channelScores(model, graph, { criterion, aggregation, seed, ...(taylor && { taylor }) });
  const widths = widthsOf(graph, provenanceOf(model).pruning?.at(-1)?.widths);
  return plan.scope === 'global'
    ? selectGlobally(graph, scores, widths, percent, plan)
    : selectByLayer(graph, scores, plannedCounts(widths, [percent], plan)[0]!);
}

/** As many channels of each group as `like` keeps, at random. */
export async function drawn(
  model: LayersModel,
  graph: CouplingGraph,
  like: Selection,
  percent: number,
  plan: Plan,
): Promise<Selection> {
  const { aggregation } = plan;
  const scores = channelScores(model, graph, {
    criterion: 'random',
    aggregation,
    seed: seedOf(plan, percent),
  });
  return selectByLayer(
    graph,
    scores,
    like.map(({ length }) => length),
  );
}

/** Indices into `before` of what `after` keeps. */
export function relative(before: Selection, after: Selection): Selection {
  return after.map((kept, i) => {
    const place = new Map(before[i]!.map((channel, index) => [channel, index]));
    return kept.map(channel => place.get(channel)!);
  });
}
