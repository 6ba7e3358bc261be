/** The work of `prune`: trains, cuts and retrains step by step, and goes on where an earlier process stopped. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { bytesOf } from '../src/bytes.js';
import { engine } from '../src/engines/index.js';
import { chosenPrecision } from '../src/engines/torch/precision.js';
import type { RunDirectory, StepNotes } from '../src/publish/runDirectory.js';
import { checkCanTrain } from '../src/training/check.js';
import {
  type Metrics,
  type PruningRecord,
  provenanceOf,
  remember,
  type Unpruned,
} from '../src/training/provenance.js';
import { setWeights, type TrainingState, type Values, weightsOf } from '../src/training/state.js';
import { train } from '../src/training/train.js';
import { originOf, setOrigin } from '../zoo/architecture.js';
import { summary } from '../zoo/summary.js';
import { drawn, ranked, relative } from './choose.js';
import { couplingGraph } from './graph.js';
import { initialWeights } from './initial.js';
import { keptFilters, originalsOf, selectionOf } from './kept.js';
import { type Ablation, type Plan, seedOf } from './options.js';
import { describeStep, firstChannels, type PlannedStep, plannedCounts, widthsOf } from './plan.js';
import { type Restart, restarted } from './restart.js';
import type { PruneEvent, PruneResult, PruneStep } from './result.js';
import type { Selection } from './select.js';
import { aliveChannels } from './surgery.js';

/** A line of networks, each cut from the one before: the run itself, or one of its ablations. */
interface Line {
  readonly ablation?: Ablation;
  current: LayersModel;
  /** Per group, what is left of the channels of the network that was given. */
  selection: Selection;
  records: readonly PruningRecord[];
  readonly steps: PruneStep[];
}

export async function* run(model: LayersModel, plan: Plan): AsyncGenerator<PruneEvent, PruneResult, void> {
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
  const { graph: _, to: __, signal: ___, activationHistory: ____, data, ...rest } = plan;
  const { criterion, exclude, ...settings } = rest;
  const precision = chosenPrecision();
  const { RunDirectory } = await import('../src/publish/runDirectory.js');
  const { sha256 } = await import('#files');
  const digests: string[] = [];
  for (const values of weightsOf(model)) {
    digests.push(await sha256(bytesOf(values)));
  }
  return RunDirectory.open(to, {
    ...settings,
    ...(precision !== 'fp32' && { precision }),
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
        : await ranked(source.current, graph, percent, plan);
  const selection = source.selection.map((left, i) => chosen[i]!.map(index => left[index]!));
  const alive = aliveChannels(graph, chosen);
  const originals = originalsOf(model, plan.graph);
  yield { type: 'cut', ...describeStep(source.current, graph, alive, percent, originals), ...named };
  const back = origin.weights && {
    model,
    graph: plan.graph,
    alive: aliveChannels(plan.graph, selection),
    weights: origin.weights,
  };
  const how: Restart =
    ablation === 'random-reinitialisation' ? { kind: 'fresh', epoch: 0, activations: 'reset' } : restart;
  const smaller = restarted(how, { model: source.current, graph, alive }, back, seedOf(plan, percent));
  try {
    const record = {
      percent,
      criterion: ablation === 'random-pruning' ? 'random' : nameOf(plan.criterion),
      aggregation: plan.aggregation,
      scope: plan.scope,
      percentOf: plan.percentOf,
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
    remember(smaller, {
      ...(recipe && { recipe }),
      ...(data && { data }),
      pruning: records,
      unpruned: unprunedOf(model),
    });
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

/** What the network that was given was cut from, or is. */
function unprunedOf(model: LayersModel): Unpruned {
  const { unpruned, metrics } = provenanceOf(model);
  if (unpruned) return unpruned;
  const { parameters, activationParameters, macs } = summary(model);
  const name = originOf(model)?.architecture ?? model.name;
  return { name, parameters, activationParameters, macs, ...(metrics && { metrics }) };
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
  { recipe, data, signal, activationHistory }: Plan,
  directory: RunDirectory | undefined,
  {
    startEpoch = 0,
    onCheckpoint,
  }: { startEpoch?: number; onCheckpoint?: (state: TrainingState) => Promise<void> } = {},
): AsyncGenerator<PruneEvent, StepNotes, void> {
  const state = await directory?.training(step);
  const from = state ?? (startEpoch > 0 ? { epoch: startEpoch } : undefined);
  const checkpoints = directory || onCheckpoint ? 'every-epoch' : 'none';
  const options = {
    ...recipe,
    data: data!,
    signal,
    from,
    checkpoints,
    activationHistory,
  } as Parameters<typeof train>[1];
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

function nameOf(criterion: Plan['criterion']): string {
  return typeof criterion === 'string' ? criterion : criterion.name || 'function';
}

function bestOf(steps: readonly PruneStep[]): PruneStep {
  const accuracy = ({ metrics }: PruneStep) => metrics?.testAccuracy ?? 0;
  return steps.reduce((best, step) => (accuracy(step) >= accuracy(best) ? step : best));
}
