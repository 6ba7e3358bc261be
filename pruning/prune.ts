/** `prune`: the paper's iterative schedule, in which a network is trained, loses filters, starts afresh and is trained again. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import type { Dataset } from '../datasets/dataset.js';
import { engine } from '../src/engines/index.js';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { Task } from '../src/task.js';
import { checkCanTrain, checkFits } from '../src/training/check.js';
import type { EpochRecord } from '../src/training/epochRecord.js';
import { type Metrics, type PruningRecord, provenanceOf, remember } from '../src/training/provenance.js';
import { Recipe, type RecipeOptions } from '../src/training/recipe.js';
import { type TrainEvent, train } from '../src/training/train.js';
import { originOf, setOrigin } from '../zoo/architecture.js';
import { summary } from '../zoo/summary.js';
import { CRITERIA, type Criterion, filterScores, highest } from './criteria.js';
import { type WidthGroup, widthGroups } from './graph.js';
import { checkSteps, keptFilters } from './schedule.js';
import { type Cut, reinitialised, removeFilters } from './surgery.js';

const Options = z.strictObject({
  /** Percent of the original filters that are gone after each step. */
  steps: z.array(z.number()).default([10, 20, 30]),
  criterion: z.enum(CRITERIA).default('sum'),
  /** `'fresh'`: new weights after every cut, the paper's way; `'finetune'`: the surviving weights stay. */
  restart: z.enum(['fresh', 'finetune']).default('fresh'),
});

export interface PruneOptions extends z.input<typeof Options> {
  /** The recipe of every retraining; default: the one that the network was trained with. `false` only cuts. */
  readonly train?: RecipeOptions | false;
  /** Default: the data set that the network was trained on. */
  readonly data?: Dataset;
  readonly signal?: AbortSignal;
}

export interface PruneStep {
  readonly percent: number;
  /** A real, smaller network; the caller disposes it. */
  readonly model: LayersModel;
  /** All trainable parameters, the activations' included. */
  readonly parameters: number;
  readonly activationParameters: number;
  readonly macs: number;
  /** Convolution's name -> kept filters, as indices into its original width. */
  readonly kept: Readonly<Record<string, readonly number[]>>;
  /** Absent with `train: false`. */
  readonly metrics?: Metrics;
  readonly epochs: readonly EpochRecord[];
  readonly seconds: number;
}

export interface PruneResult {
  readonly steps: readonly PruneStep[];
  /** The step with the best test accuracy, the smallest among equals; without training the last one. */
  readonly best: PruneStep;
}

export type PruneEvent =
  | { readonly type: 'cut'; readonly percent: number; readonly parameters: number; readonly macs: number }
  /** `percent` 0 is the unpruned network, trained first if it never was. */
  | { readonly type: 'train'; readonly percent: number; readonly event: TrainEvent }
  | { readonly type: 'step'; readonly step: PruneStep };

/**
 * Removes the lowest-scoring filters of every convolution, step by step (Molina et al., ICLR 2020, A.4.3).
 *
 * Each step removes floor(width · percent / 100) of a convolution's original filters, starts the smaller network afresh
 * and retrains it; the next step ranks the filters of that one. `prune(model, { steps: [10, 20, 30] })` uses the recipe
 * and the data set that the network was trained with.
 *
 * @param model borrowed; only trained in place if it never was trained and `train` is not `false`
 * @throws OptionsError, UnsupportedLayerError, ShapeError or EngineError before any work starts
 */
export function prune(model: LayersModel, options: PruneOptions = {}): Task<PruneEvent, PruneResult> {
  const memory = provenanceOf(model);
  const { train: recipeOptions = memory.recipe, data = memory.data, signal, ...rest } = options;
  const checked = checkOptions(Options, rest, 'prune', ['train', 'data', 'signal']);
  checkSteps(checked.steps);
  const groups = widthGroups(model);
  if (groups.length === 0)
    throw new OptionsError(`prune: '${model.name}' has no convolution that could lose filters`);
  const history = memory.pruning?.at(-1);
  const done = history?.percent ?? 0;
  if (checked.steps[0]! <= done) {
    throw new OptionsError(
      `prune: '${model.name}' has lost ${done} % of its filters already; steps must start above, got [${checked.steps.join(', ')}]`,
    );
  }
  if (recipeOptions === false) return new Task(() => run(model, { ...checked, signal }));
  if (!recipeOptions || !data) {
    throw new OptionsError(
      `prune: '${model.name}' was never trained, so there is no ${recipeOptions ? 'data set' : data ? 'recipe' : 'recipe and no data set'} to retrain it with; train it first, give { train: { epochs: 20 }, data: datasets.fashionMnist() }, or { train: false } to cut only`,
    );
  }
  const recipe = checkOptions(Recipe, recipeOptions, 'prune: train');
  checkFits('prune', model, data);
  return new Task(() => run(model, { ...checked, retrain: { recipe, data }, signal }));
}

interface Plan extends z.output<typeof Options> {
  readonly retrain?: { readonly recipe: Recipe; readonly data: Dataset };
  readonly signal: AbortSignal | undefined;
}

async function* run(model: LayersModel, plan: Plan): AsyncGenerator<PruneEvent, PruneResult, void> {
  await engine.ready();
  if (plan.retrain) checkCanTrain('prune');
  if (plan.retrain && !provenanceOf(model).metrics) yield* trained(model, 0, plan);

  const earlier = provenanceOf(model).pruning ?? [];
  let kept = earlier.at(-1)?.kept ?? allFilters(widthGroups(model));
  const widths = earlier.at(-1)?.widths ?? widthsOf(widthGroups(model));
  const records: PruningRecord[] = [...earlier];
  const steps: PruneStep[] = [];
  let current = model;
  let finished = false;
  const made: LayersModel[] = [];
  try {
    for (const percent of plan.steps) {
      plan.signal?.throwIfAborted();
      const began = performance.now();
      const cuts = widthGroups(current).map(group =>
        planCut(current, group, widths, percent, plan.criterion),
      );
      const seed = (plan.retrain?.recipe.seed ?? 0) + Math.round(percent);
      const smaller =
        plan.restart === 'fresh'
          ? await reinitialised(current, cuts, seed)
          : await removeFilters(current, cuts);
      made.push(smaller);
      kept = composed(kept, cuts);
      records.push({ percent, criterion: plan.criterion, restart: plan.restart, widths, kept });
      const origin = originOf(model);
      if (origin) {
        const { width: _, ...rest } = origin; // it was another network's
        setOrigin(smaller, rest);
      }
      remember(smaller, { ...plan.retrain, pruning: [...records] });

      const { parameters, activationParameters, macs } = summary(smaller);
      yield { type: 'cut', percent, parameters, macs };
      const outcome = plan.retrain ? yield* trained(smaller, percent, plan) : { epochs: [] };
      const seconds = (performance.now() - began) / 1000;
      const step = {
        percent,
        model: smaller,
        parameters,
        activationParameters,
        macs,
        kept,
        ...outcome,
        seconds,
      };
      steps.push(step);
      yield { type: 'step', step };
      current = smaller;
    }
    finished = true;
  } finally {
    if (!finished) for (const unfinished of made) unfinished.dispose();
  }
  return { steps, best: bestOf(steps) };
}

/** Trains and passes the events on. */
async function* trained(
  model: LayersModel,
  percent: number,
  { retrain, signal }: Plan,
): AsyncGenerator<PruneEvent, { metrics: Metrics; epochs: readonly EpochRecord[] }, void> {
  const { recipe, data } = retrain!;
  const task = train(model, { ...recipe, data, signal } as RecipeOptions & { data: Dataset });
  for await (const event of task) yield { type: 'train', percent, event };
  const { testAccuracy, testLoss, epochs } = await task;
  return { metrics: { testAccuracy, testLoss }, epochs };
}

/** The filters of a group that stay, ranked by the kernels as they are now. */
function planCut(
  model: LayersModel,
  group: WidthGroup,
  widths: Readonly<Record<string, number>>,
  percent: number,
  criterion: Criterion,
): Cut {
  const scores = new Float64Array(group.width);
  for (const producer of group.producers) {
    const kernel = model.getLayer(producer).weights[0]!.read().dataSync() as Float32Array;
    filterScores(kernel, group.width, criterion).forEach((score, filter) => {
      scores[filter]! += score;
    });
  }
  return { group, kept: highest(scores, keptFilters(widths[group.producers[0]!]!, percent)) };
}

function widthsOf(groups: readonly WidthGroup[]): Record<string, number> {
  return Object.fromEntries(groups.flatMap(({ producers, width }) => producers.map(name => [name, width])));
}

function allFilters(groups: readonly WidthGroup[]): Record<string, readonly number[]> {
  return Object.fromEntries(
    groups.flatMap(({ producers, width }) =>
      producers.map(name => [name, Array.from({ length: width }, (_, i) => i)]),
    ),
  );
}

/** What is kept of the original filters after `cuts` of what was kept before. */
function composed(
  before: Readonly<Record<string, readonly number[]>>,
  cuts: readonly Cut[],
): Record<string, readonly number[]> {
  return Object.fromEntries(
    cuts.flatMap(({ group, kept }) =>
      group.producers.map(name => [name, kept.map(index => before[name]![index]!)] as const),
    ),
  );
}

function bestOf(steps: readonly PruneStep[]): PruneStep {
  const accuracy = ({ metrics }: PruneStep) => metrics?.testAccuracy ?? 0;
  return steps.reduce((best, step) => (accuracy(step) >= accuracy(best) ? step : best));
}
