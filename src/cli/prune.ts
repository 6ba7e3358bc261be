/** `padezoo prune`: prunes a checkpoint step by step and writes every step's checkpoint and a report. */
import { join } from 'node:path';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type Command, Option } from 'commander';
import { AGGREGATIONS, CRITERIA, type CriterionName } from '../../pruning/criteria.js';
import { type Explanation, explain } from '../../pruning/explain.js';
import { couplingGraph } from '../../pruning/graph.js';
import { ABLATIONS, type Ablation, SCOPES } from '../../pruning/options.js';
import { type PruneOptions, type PruneResult, type PruneStep, prune } from '../../pruning/prune.js';
import { ACTIVATION_RESTARTS, type ActivationRestart, type RestartOption } from '../../pruning/restart.js';
import { PERCENT_OF, type PercentOf } from '../../pruning/schedule.js';
import { originOf } from '../../zoo/architecture.js';
import { zoo } from '../../zoo/index.js';
import { engine } from '../engines/index.js';
import { load } from '../publish/load.js';
import { recordStep } from '../report/recordStep.js';
import { writeReport } from '../report/writeReport.js';
import { type Metrics, provenanceOf } from '../training/provenance.js';
import {
  command,
  type DataOptions,
  dataFrom,
  type EngineFlags,
  networkFor,
  percentages,
  type RecipeFlags,
  recipeFrom,
  startEngine,
  wholeNumber,
  withData,
  withEngine,
  withRecipe,
} from './options.js';
import { count, note, percentage, printResult, table } from './output.js';
import { followPruning } from './progress.js';

interface Flags extends DataOptions, RecipeFlags, EngineFlags {
  readonly steps: number[];
  readonly percentOf: PercentOf;
  readonly activation: string;
  readonly criterion: CriterionName;
  readonly aggregation: (typeof AGGREGATIONS)[number];
  readonly scope: (typeof SCOPES)[number];
  readonly exclude?: string[];
  readonly minFilters: number;
  readonly roundTo: number;
  readonly restart: RestartOption;
  readonly activations?: ActivationRestart;
  readonly ablations?: Ablation[];
  readonly train: boolean;
  readonly explain?: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

type StepResult = Pick<PruneStep, 'percent' | 'parameters' | 'activationParameters' | 'macs' | 'kept'> &
  Partial<Metrics> & { readonly ablation?: Ablation; readonly checkpoint?: string };

export function pruneCommand(): Command {
  const choice = (flags: string, description: string, choices: readonly string[], fallback?: string) =>
    new Option(flags, description).choices([...choices]).default(fallback);
  const target = command(
    'prune',
    'remove the lowest-scoring filters of every convolution, start afresh, retrain',
  )
    .argument('<network>', 'checkpoint (folder or .tar.gz), or an architecture to train first')
    .option('--activation <name>', 'of an architecture', 'pau')
    .option('--explain', 'only say which convolutions lose filters together')
    .option('--steps <percentages>', 'of the original filters, rising', percentages, [10, 20, 30])
    .addOption(choice('--percent-of <what>', 'the filters that percentages count', PERCENT_OF, 'original'))
    .addOption(choice('--criterion <name>', 'score of a filter', CRITERIA, 'sum'))
    .addOption(choice('--aggregation <name>', 'score of filters that are tied', AGGREGATIONS, 'sum'))
    .addOption(choice('--scope <name>', 'where the percentage is taken', SCOPES, 'layer'))
    .option('--exclude <layers...>', 'whose channels stay')
    .option('--min-filters <n>', 'that a convolution keeps', wholeNumber, 1)
    .option('--round-to <n>', 'kept filters are a multiple', wholeNumber, 1)
    .option('--restart <how>', "'fresh', 'initial', 'rewind:<epochs>' or 'finetune'", 'fresh')
    .addOption(choice('--activations <how>', 'coefficients: as --restart, or', ACTIVATION_RESTARTS))
    .addOption(choice('--ablations <names...>', 'controls to train as well', ABLATIONS))
    .option('--no-train', 'only cut')
    .option('--out <folder>', 'where the run goes: <folder>/step-10, ... and report.html; again to go on');
  return withEngine(withRecipe(withData(target)))
    .addHelpText(
      'after',
      `
Recipe and data are those that the checkpoint was trained with, unless given.

Examples:
  padezoo prune out/lenet-pau --steps 10,20,30 --out out/lenet-pruned
  padezoo prune out/lenet-pau --steps 50 --no-train --json
  padezoo prune resnet101 --explain`,
    )
    .action(run);
}

async function run(network: string, flags: Flags): Promise<void> {
  const known = zoo.list().some(({ name }) => name === network);
  await (flags.explain ? engine.ready() : startEngine(flags));
  const given = flags.explain ? undefined : await dataFrom(flags);
  const data = given ?? (known && !flags.explain ? await dataFrom({ data: 'fashion-mnist' }) : undefined);
  const model = known ? networkFor(network, flags, given) : await load(network);
  const exclude = flags.exclude ?? [];
  if (flags.explain) {
    const explanation = explain(couplingGraph(model, { exclude }));
    printResult(explanation, flags, () => explained(explanation));
    return;
  }
  const recipe = { ...provenanceOf(model).recipe, ...recipeFrom(flags) };
  const hasRecipe = known || Object.keys(recipe).length > 0;
  const options: PruneOptions = {
    steps: flags.steps,
    percentOf: flags.percentOf,
    criterion: flags.criterion,
    aggregation: flags.aggregation,
    scope: flags.scope,
    exclude,
    minFilters: flags.minFilters,
    roundTo: flags.roundTo,
    restart: flags.restart,
    ablations: flags.ablations ?? [],
    ...(flags.activations && { activations: flags.activations }),
    ...(flags.out && { to: flags.out }),
    ...(data && { data }),
    ...(flags.train ? hasRecipe && { train: recipe } : { train: false as const }),
  };
  const result = await followPruning(prune(model, options));
  const all: { step: PruneStep; ablation?: Ablation }[] = [
    ...result.steps.map(step => ({ step })),
    ...Object.entries(result.ablations).flatMap(([ablation, steps]) =>
      steps.map(step => ({ step, ablation: ablation as Ablation })),
    ),
  ];
  const steps = all.map(({ step, ablation }): StepResult => {
    const { percent, parameters, activationParameters, macs, kept, metrics } = step;
    const sizes = { percent, parameters, activationParameters, macs, ...metrics, kept };
    const checkpoint = flags.out && { checkpoint: join(flags.out, ablation ?? '', `step-${percent}`) };
    return { ...sizes, ...(ablation && { ablation }), ...checkpoint };
  });
  const report = flags.out && flags.train ? await reportOn(model, result, flags.out) : undefined;
  printResult({ steps, best: result.best.percent, ...(report && { report }) }, flags, () =>
    table(
      ['pruned', 'parameters', 'MACs', 'test accuracy', 'checkpoint'],
      steps.map(step => [
        `${step.percent} %${step.ablation ? `, ${step.ablation}` : ''}`,
        count(step.parameters),
        count(step.macs),
        percentage(step.testAccuracy),
        step.checkpoint ?? '-',
      ]),
    ),
  );
}

async function reportOn(model: LayersModel, result: PruneResult, out: string): Promise<string> {
  const { recipe, data, epochs = [] } = provenanceOf(result.best.model);
  const { name, source, length } = data!;
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const records = [await recordStep(model, { seconds, checkpoint: 'step-0' })];
  for (const step of result.steps) {
    const { percent, seconds } = step;
    records.push(await recordStep(step.model, { percent, seconds, checkpoint: `step-${percent}` }));
  }
  const report = join(out, 'report.html');
  await writeReport(
    {
      title: `${model.name} pruned on ${name}`,
      created: new Date().toISOString(),
      engine: engine.describe(),
      architecture: originOf(model)?.architecture ?? model.name,
      dataset: { name, source, ...length },
      recipe: recipe!,
      seed: recipe!.seed,
      steps: records,
      best: result.steps.indexOf(result.best) + 1,
      coupling: explain(couplingGraph(model)),
    },
    report,
  );
  note(`report: ${report}`);
  return report;
}

/** Names of a list, the middle left out when it is long. */
function shortened(names: readonly string[]): string {
  const MOST = 5;
  if (names.length <= MOST) return names.join('\n');
  return [...names.slice(0, MOST - 2), `... ${names.length - MOST + 1} more`, names.at(-1)].join('\n');
}

function explained({ groups, fixed }: Explanation): string {
  const convolutions = groups.reduce((sum, group) => sum + group.convolutions.length, 0);
  return [
    table(
      ['group', 'channels', 'convolutions', 'carried by', 'read by'],
      groups.map((group, i) => [
        i + 1,
        group.width,
        shortened(group.convolutions),
        shortened(group.carriedBy),
        shortened(group.readBy),
      ]),
    ),
    ...fixed.map(({ convolutions, why }) => `stays: ${convolutions.join(', ')}: ${why}`),
    `${convolutions} convolutions in ${groups.length} groups; a group loses the same channels everywhere`,
  ].join('\n');
}
