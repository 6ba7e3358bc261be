/** `prune`: the paper's iterative schedule, in which a network is trained, loses filters, starts again and is trained again. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { z } from 'zod';
import type { Dataset } from '../datasets/dataset.js';
import { engine } from '../src/engines/index.js';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import type { RunDirectory, StepNotes } from '../src/publish/runDirectory.js';
import { Task } from '../src/task.js';
import { checkCanTrain, checkFits } from '../src/training/check.js';
import type { EpochRecord } from '../src/training/epochRecord.js';
import { type Metrics, type PruningRecord, provenanceOf, remember } from '../src/training/provenance.js';
import { Recipe, type RecipeOptions } from '../src/training/recipe.js';
import { setWeights, type TrainingState, type Values, weightsOf } from '../src/training/state.js';
import { type TrainEvent, train } from '../src/training/train.js';
import { originOf, setOrigin } from '../zoo/architecture.js';
import { summary } from '../zoo/summary.js';
import { channelScores } from './criteria.js';
import { type CouplingGraph, couplingGraph } from './graph.js';
import { initialWeights } from './initial.js';
import { type Ablation, Options } from './options.js';
import { describeStep, firstChannels, type PlannedStep, plannedCounts, widthsOf } from './plan.js';
import { type Restart, restarted, restartOf } from './restart.js';
import { checkSteps } from './schedule.js';
import { type Selection, selectByLayer, selectGlobally } from './select.js';
import { aliveChannels, survivors } from './surgery.js';
import { taylorScores } from './taylor.js';

export interface PruneOptions extends z.input<typeof Options> {
  /** The recipe of every retraining; default: the one that the network was trained with. `false` only cuts. */
  readonly train?: RecipeOptions | false;
  /** Default: the data set that the network was trained on. */
  readonly data?: Dataset;
  /** A folder for the run: called again with the same options, it goes on where the process was killed. */
  readonly to?: string;
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
  /** The controls that were asked for, a step for each of `steps`. */
  readonly ablations: Readonly<Partial<Record<Ablation, readonly PruneStep[]>>>;
}

export type PruneEvent =
  /** Before anything is trained: what every step will leave. Empty with scope `'global'`, where scores decide on widths. */
  | { readonly type: 'plan'; readonly steps: readonly PlannedStep[] }
  | ({ readonly type: 'cut'; readonly ablation?: Ablation } & PlannedStep)
  /** `percent` 0 is the unpruned network, trained first if it never was. */
  | {
      readonly type: 'train';
      readonly percent: number;
      readonly ablation?: Ablation;
      readonly event: TrainEvent;
    }
  | { readonly type: 'step'; readonly step: PruneStep; readonly ablation?: Ablation }
  /** A step that an earlier process finished. */
  | { readonly type: 'resumed'; readonly percent: number; readonly ablation?: Ablation };

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
  const { train: recipeOptions = memory.recipe, data = memory.data, to, signal, ...rest } = options;
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

interface Plan extends Omit<z.output<typeof Options>, 'restart'> {
  readonly restart: Restart;
  readonly graph: CouplingGraph;
  readonly to: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly data?: Dataset;
  /** Absent: only cut. */
  readonly recipe?: Recipe;
}

/** A line of networks, each cut from the one before: the run itself, or one of its ablations. */
interface Line {
  readonly ablation?: Ablation;
  current: LayersModel;
  /** Per group, what is left of the channels of the network that was given. */
  selection: Selection;
  records: readonly PruningRecord[];
  readonly steps: PruneStep[];
}

async function* run(model: LayersModel, plan: Plan): AsyncGenerator<PruneEvent, PruneResult, void> {
  await engine.ready();
  if (plan.recipe) checkCanTrain('prune');
  yield { type: 'plan', steps: planOf(model, plan) };
  const directory = plan.to === undefined ? undefined : await openRun(model, plan, plan.to);
  const lines: Line[] = [];
  let finished = false;
  try {
    const origin = yield* unpruned(model, plan, directory);
    const all = plan.graph.groups.map(({ width }) => Array.from({ length: width }, (_, i) => i));
    const line = (ablation?: Ablation): Line => ({
      ...(ablation && { ablation }),
      current: model,
      selection: all,
      records: provenanceOf(model).pruning ?? [],
      steps: [],
    });
    const main = line();
    lines.push(main, ...plan.ablations.map(line));
    for (const percent of plan.steps) {
      const before = { ...main };
      for (const each of lines) {
        plan.signal?.throwIfAborted();
        const source = each.ablation === 'random-reinitialisation' ? before : each;
        const step = yield* stepOf(model, { line: each, source, main, percent }, plan, origin, directory);
        yield { type: 'step', step, ...(each.ablation && { ablation: each.ablation }) };
      }
    }
    finished = true;
    const { steps } = main;
    const ablations = Object.fromEntries(lines.slice(1).map(each => [each.ablation!, each.steps]));
    return { steps, best: bestOf(steps), ablations };
  } finally {
    if (!finished) for (const { steps } of lines) for (const step of steps) step.model.dispose();
    await directory?.close();
  }
}

function planOf(model: LayersModel, plan: Plan): PlannedStep[] {
  if (plan.scope === 'global') return [];
  const originals = provenanceOf(model).pruning?.at(-1)?.widths ?? {};
  const counts = plannedCounts(widthsOf(plan.graph, originals), plan.steps, plan);
  return plan.steps.map((percent, i) =>
    describeStep(model, plan.graph, firstChannels(plan.graph, counts[i]!), percent, originals),
  );
}

async function openRun(model: LayersModel, plan: Plan, to: string): Promise<RunDirectory> {
  const { graph: _, to: __, signal: ___, data, criterion, exclude, ...settings } = plan;
  const { RunDirectory } = await import('../src/publish/runDirectory.js');
  const { sha256 } = await import('../src/publish/sha256.js');
  const digests: string[] = [];
  for (const values of weightsOf(model)) {
    digests.push(
      await sha256(new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength)),
    );
  }
  return RunDirectory.open(to, {
    ...settings,
    criterion: typeof criterion === 'string' ? criterion : criterion.toString(),
    exclude: exclude.map(String),
    data: data ? { name: data.name, options: data.options, images: data.length } : null,
    network: { name: model.name, weights: await sha256(new TextEncoder().encode(digests.join())) },
  });
}

/** What the unpruned network had at the point that weights go back to. */
interface Snapshot {
  readonly weights?: readonly Values[];
}

/** Trains the unpruned network if it never was, and keeps the weights that pruned ones go back to. */
async function* unpruned(
  model: LayersModel,
  plan: Plan,
  directory: RunDirectory | undefined,
): AsyncGenerator<PruneEvent, Snapshot, void> {
  const { restart, recipe, data } = plan;
  const trained = provenanceOf(model).metrics !== undefined;
  const point = restart.kind === 'rewind' ? `rewind-${restart.epoch}` : 'initial';
  let weights =
    restart.kind === 'initial' || restart.kind === 'rewind' ? await directory?.weights(point) : undefined;
  if (restart.kind === 'initial' && !weights) {
    weights = trained ? initialWeights(model) : weightsOf(model);
    await directory?.keepWeights(point, weights);
  }
  const done = await directory?.finished('step-0');
  if (!recipe || trained) {
    const { epochs = [] } = provenanceOf(model);
    const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
    if (done) done.model.dispose();
    else await directory?.finish('step-0', model, { epochs, seconds });
    return weights ? { weights } : {};
  }

  if (done && (weights || restart.kind !== 'rewind')) {
    setWeights(model, weightsOf(done.model));
    const { metrics } = provenanceOf(done.model);
    remember(model, { recipe, data: data!, metrics: metrics!, epochs: done.notes.epochs });
    done.model.dispose();
    yield { type: 'resumed', percent: 0 };
    return weights ? { weights } : {};
  }
  const task = training(model, { step: 'step-0', percent: 0 }, plan, directory, {
    onCheckpoint: async state => {
      if (restart.kind !== 'rewind' || state.epoch !== restart.epoch) return;
      weights = [...state.weights];
      await directory?.keepWeights(point, weights);
    },
  });
  const notes = yield* task;
  await directory?.finish('step-0', model, notes);
  return weights ? { weights } : {};
}

/** One network of a line: what an earlier process finished of it is taken over. */
async function* stepOf(
  model: LayersModel,
  { line, source, main, percent }: { line: Line; source: Line; main: Line; percent: number },
  plan: Plan,
  origin: Snapshot,
  directory: RunDirectory | undefined,
): AsyncGenerator<PruneEvent, PruneStep, void> {
  const { restart, recipe, data } = plan;
  const { ablation } = line;
  const named = { percent, ...(ablation && { ablation }) };
  const name = `${ablation ? `${ablation}/` : ''}step-${percent}`;
  const done = await directory?.finished(name);
  if (done) {
    const { pruning = [], metrics } = provenanceOf(done.model);
    remember(done.model, { ...(data && { data }), epochs: done.notes.epochs });
    yield { type: 'resumed', ...named };
    const selection = selectionOf(plan.graph, model, pruning.at(-1)!);
    return add(line, { selection, records: pruning, percent, model: done.model, notes: done.notes, metrics });
  }

  const began = performance.now();
  const graph = couplingGraph(source.current, plan);
  const chosen =
    ablation === 'random-reinitialisation'
      ? relative(source.selection, main.selection)
      : ablation === 'random-pruning'
        ? await drawn(source.current, graph, main.selection, percent, plan)
        : await ranked(source.current, graph, percent, plan, originalsOf(model));
  const selection = source.selection.map((left, i) => chosen[i]!.map(index => left[index]!));
  const alive = aliveChannels(graph, chosen);
  const originals = originalsOf(model, plan.graph);
  yield { type: 'cut', ...describeStep(source.current, graph, alive, percent, originals), ...named };
  const seed = (recipe?.seed ?? 0) + Math.round(percent);
  const back = origin.weights && {
    model,
    graph: plan.graph,
    alive: aliveChannels(plan.graph, selection),
    weights: origin.weights,
  };
  const how: Restart =
    ablation === 'random-reinitialisation' ? { kind: 'fresh', epoch: 0, activations: 'reset' } : restart;
  const smaller = restarted(how, { model: source.current, graph, alive }, back, seed);
  try {
    const record = {
      percent,
      criterion: ablation === 'random-pruning' ? 'random' : nameOf(plan.criterion),
      restart: how.kind === 'rewind' ? `rewind:${how.epoch}` : how.kind,
      widths: originals,
      kept: keptFilters(plan.graph, model, selection),
    };
    const records = [...source.records, record];
    const from = originOf(model);
    if (from) {
      const { width: _, ...rest } = from; // it was another network's
      setOrigin(smaller, rest);
    }
    remember(smaller, { ...(recipe && { recipe }), ...(data && { data }), pruning: records });
    const notes = recipe
      ? yield* training(smaller, { step: name, ...named }, plan, directory, { startEpoch: how.epoch })
      : { epochs: [], seconds: (performance.now() - began) / 1000 };
    await directory?.finish(name, smaller, notes);
    const { metrics } = provenanceOf(smaller);
    return add(line, { selection, records, percent, model: smaller, notes, metrics });
  } catch (error) {
    smaller.dispose();
    throw error;
  }
}

function add(
  line: Line,
  {
    selection,
    records,
    percent,
    model,
    notes,
    metrics,
  }: Pick<Line, 'selection' | 'records'> & {
    percent: number;
    model: LayersModel;
    notes: StepNotes;
    metrics: Metrics | undefined;
  },
): PruneStep {
  const { parameters, activationParameters, macs } = summary(model);
  const { kept } = records.at(-1)!;
  const sizes = { parameters, activationParameters, macs };
  const step = { percent, model, ...sizes, kept, ...(metrics && { metrics }), ...notes };
  line.steps.push(step);
  Object.assign(line, { current: model, selection, records });
  return step;
}

/** Trains, goes on where an earlier process stopped, and passes the events on. */
async function* training(
  model: LayersModel,
  { step, ...named }: { step: string; percent: number; ablation?: Ablation },
  { recipe, data, signal }: Plan,
  directory: RunDirectory | undefined,
  {
    startEpoch = 0,
    onCheckpoint,
  }: { startEpoch?: number; onCheckpoint?: (state: TrainingState) => Promise<void> } = {},
): AsyncGenerator<PruneEvent, StepNotes, void> {
  const state = await directory?.training(step);
  const from = state ?? (startEpoch > 0 ? { epoch: startEpoch } : undefined);
  const checkpoints = directory || onCheckpoint ? 'every-epoch' : 'none';
  const options = { ...recipe, data: data!, signal, from, checkpoints } as Parameters<typeof train>[1];
  const task = train(model, options);
  for await (const event of task) {
    if (event.type === 'checkpoint') {
      await onCheckpoint?.(event.state);
      await directory?.keepTraining(step, event.state);
    } else {
      yield { type: 'train', ...named, event };
    }
  }
  const { epochs } = await task;
  return { epochs, seconds: epochs.reduce((sum, { seconds }) => sum + seconds, 0) };
}

async function ranked(
  model: LayersModel,
  graph: CouplingGraph,
  percent: number,
  plan: Plan,
  originals: Readonly<Record<string, number>>,
): Promise<Selection> {
  const seed = (plan.recipe?.seed ?? 0) + Math.round(percent);
  const { criterion, aggregation, data, recipe } = plan;
  const taylor =
    criterion === 'taylor'
      ? await taylorScores(model, graph, data!, { batchSize: recipe?.batchSize ?? 128, seed })
      : undefined;
  const scores = channelScores(model, graph, { criterion, aggregation, seed, ...(taylor && { taylor }) });
  const widths = widthsOf(graph, { ...originals, ...provenanceOf(model).pruning?.at(-1)?.widths });
  return plan.scope === 'global'
    ? selectGlobally(graph, scores, widths, percent, plan)
    : selectByLayer(graph, scores, plannedCounts(widths, [percent], plan)[0]!);
}

/** As many channels of each group as `like` keeps, at random. */
async function drawn(
  model: LayersModel,
  graph: CouplingGraph,
  like: Selection,
  percent: number,
  { recipe, aggregation }: Plan,
): Promise<Selection> {
  const seed = (recipe?.seed ?? 0) + Math.round(percent);
  const scores = channelScores(model, graph, { criterion: 'random', aggregation, seed });
  return selectByLayer(
    graph,
    scores,
    like.map(({ length }) => length),
  );
}

/** Indices into `before` of what `after` keeps. */
function relative(before: Selection, after: Selection): Selection {
  return after.map((kept, i) => {
    const place = new Map(before[i]!.map((channel, index) => [channel, index]));
    return kept.map(channel => place.get(channel)!);
  });
}

/** Filters of each convolution before any pruning. */
function originalsOf(model: LayersModel, graph?: CouplingGraph): Record<string, number> {
  const known = provenanceOf(model).pruning?.at(-1)?.widths;
  if (known) return { ...known };
  const members = graph?.groups.flatMap(group => group.members) ?? [];
  return Object.fromEntries(members.map(({ layer, channels }) => [layer, channels.length]));
}

/** Filters that stay, as indices into the widths before any pruning. */
function keptFilters(
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
function selectionOf(graph: CouplingGraph, model: LayersModel, { kept }: PruningRecord): Selection {
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

function nameOf(criterion: Plan['criterion']): string {
  return typeof criterion === 'string' ? criterion : criterion.name || 'function';
}

function bestOf(steps: readonly PruneStep[]): PruneStep {
  const accuracy = ({ metrics }: PruneStep) => metrics?.testAccuracy ?? 0;
  return steps.reduce((best, step) => (accuracy(step) >= accuracy(best) ? step : best));
}
