/** `prune`: the paper's iterative schedule, in which a network is trained, loses filters, starts again and is trained again. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { z } from 'zod';
import type { Dataset } from '../datasets/dataset.js';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { Task } from '../src/task.js';
import { checkFits } from '../src/training/check.js';
import { provenanceOf } from '../src/training/provenance.js';
import { Recipe, type RecipeOptions } from '../src/training/recipe.js';
import { couplingGraph } from './graph.js';
import { initialWeights } from './initial.js';
import { Options } from './options.js';
import { type Restart, restartOf } from './restart.js';
import type { PruneEvent, PruneResult } from './result.js';
import { run } from './run.js';
import { checkSteps } from './schedule.js';

export type { PruneEvent, PruneResult, PruneStep } from './result.js';

export interface PruneOptions extends z.input<typeof Options> {
  /** The recipe of every retraining; default: the one that the network was trained with. `false` only cuts. */
  readonly train?: RecipeOptions | false;
  /** Default: the data set that the network was trained on. */
  readonly data?: Dataset;
  /** A folder for the run: called again with the same options, it goes on where the process was killed. */
  readonly to?: string;
  readonly signal?: AbortSignal;
}

/**
 * Removes the lowest-scoring filters of every convolution, step by step (Molina et al., ICLR 2020, A.4.3).
 *
 * Each step removes floor(width · percent / 100) of a convolution's original filters, starts the smaller network afresh
 * and retrains it; the next step ranks the filters of that one. Convolutions that a sum ties together lose the same
 * channels. `prune(model, { steps: [10, 20, 30] })` uses the recipe and the data set that the network was trained with.
 *
 * @param model any network of layers that pruning knows; borrowed; only trained in place if it never was trained and
 *   `train` is not `false`
 * @throws OptionsError, UnsupportedLayerError, ShapeError, EngineError or RunInUseError before any work starts
 */
export function prune(model: LayersModel, options: PruneOptions = {}): Task<PruneEvent, PruneResult> {
  const memory = provenanceOf(model);
  const { train: recipeOptions = memory.recipe, data = memory.data, ...others } = options;
  const { to, signal, ...rest } = others;
  const checked = checkOptions(Options, rest, 'prune', ['train', 'data', 'to', 'signal']);
  checkSteps(checked.steps);
  const restart = restartOf(checked.restart, checked.activations);
  const graph = couplingGraph(model, checked);
  if (graph.groups.length === 0) {
    const why = graph.fixed.length > 0 ? ': all of them are fixed (see explain)' : '';
    throw new OptionsError(`prune: '${model.name}' has no convolution that could lose filters${why}`);
  }
  checkHistory(model, checked, restart);
  if (checked.ablations.includes('random-reinitialisation') && restart.kind === 'fresh') {
    throw new OptionsError(
      "prune: ablation 'random-reinitialisation' is what restart 'fresh' does anyway; use it with 'initial', 'rewind:K' or 'finetune'",
    );
  }
  const plan = { ...checked, restart, graph, to, signal };
  if (recipeOptions === false) {
    if (restart.kind === 'rewind' || (checked.criterion === 'taylor' && !data)) {
      throw new OptionsError(
        `prune: ${restart.kind === 'rewind' ? 'restart rewind:K needs a training' : "criterion 'taylor' needs data"}, got { train: false }`,
      );
    }
    return new Task(() => run(model, { ...plan, ...(data && { data }) }));
  }
  if (!recipeOptions || !data) {
    throw new OptionsError(
      `prune: '${model.name}' was never trained, so there is no ${recipeOptions ? 'data set' : data ? 'recipe' : 'recipe and no data set'} to retrain it with; train it first, give { train: { epochs: 20 }, data: datasets.fashionMnist() }, or { train: false } to cut only`,
    );
  }
  const recipe = checkOptions(Recipe, recipeOptions, 'prune: train');
  if (restart.epoch >= recipe.epochs) {
    throw new OptionsError(
      `prune: restart 'rewind:${restart.epoch}' leaves nothing to retrain of ${recipe.epochs} epochs; rewind to an earlier one`,
    );
  }
  checkFits('prune', model, data);
  return new Task(() => run(model, { ...plan, data, recipe }));
}

/** @throws OptionsError when what the network went through already does not go with what is asked for */
function checkHistory(model: LayersModel, options: z.output<typeof Options>, restart: Restart): void {
  const { pruning = [], metrics } = provenanceOf(model);
  const done = pruning.at(-1)?.percent ?? 0;
  if (options.percentOf === 'original' && options.steps[0]! <= done) {
    throw new OptionsError(
      `prune: '${model.name}' has lost ${done} % of its filters already; steps must start above, got [${options.steps.join(', ')}]`,
    );
  }
  if (restart.kind === 'initial' && metrics) initialWeights(model); // throws when they cannot be had again
  if (restart.kind === 'rewind' && metrics) {
    throw new OptionsError(
      `prune: restart 'rewind:${restart.epoch}' needs the training of '${model.name}' from its start, but it is trained already; give a new network, or restart 'initial'`,
    );
  }
}
