/** `padezoo prune`: prunes a checkpoint step by step and writes every step's checkpoint. */
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { CRITERIA } from '../../pruning/criteria.js';
import { type PruneStep, prune } from '../../pruning/prune.js';
import { load } from '../publish/load.js';
import { checkPlace } from '../publish/nodeFiles.js';
import { publish } from '../publish/publish.js';
import { type Metrics, provenanceOf } from '../training/provenance.js';
import {
  command,
  type DataOptions,
  dataFrom,
  percentages,
  type RecipeFlags,
  recipeFrom,
  withData,
  withRecipe,
} from './options.js';
import { count, percentage, printResult, table } from './output.js';
import { followPruning } from './progress.js';

interface Flags extends DataOptions, RecipeFlags {
  readonly steps: number[];
  readonly criterion: (typeof CRITERIA)[number];
  readonly restart: 'fresh' | 'finetune';
  readonly train: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

type StepResult = Pick<PruneStep, 'percent' | 'parameters' | 'activationParameters' | 'macs' | 'kept'> &
  Partial<Metrics> & { readonly checkpoint?: string };

export function pruneCommand(): Command {
  const target = command(
    'prune',
    'remove the lowest-scoring filters of every convolution, start afresh, retrain',
  )
    .argument('<checkpoint>', 'folder or .tar.gz')
    .option('--steps <percentages>', 'of the original filters, rising', percentages, [10, 20, 30])
    .addOption(new Option('--criterion <name>', 'score of a filter').choices([...CRITERIA]).default('sum'))
    .addOption(
      new Option('--restart <how>', 'new weights after each cut, or the surviving ones')
        .choices(['fresh', 'finetune'])
        .default('fresh'),
    )
    .option('--no-train', 'only cut')
    .option('--out <folder>', 'where the checkpoints go: <folder>/step-10, ...');
  return withRecipe(withData(target))
    .addHelpText(
      'after',
      `
Recipe and data are those that the checkpoint was trained with, unless given.

Examples:
  padezoo prune out/lenet-pau --steps 10,20,30 --out out/lenet-pruned
  padezoo prune out/lenet-pau --steps 50 --no-train --json`,
    )
    .action(run);
}

async function run(path: string, flags: Flags): Promise<void> {
  const model = await load(path);
  const data = dataFrom(flags);
  const placeOf = (percent: number) => flags.out && join(flags.out, `step-${percent}`);
  for (const place of flags.steps.map(placeOf)) if (place) await checkPlace(place);
  const recipe = { ...provenanceOf(model).recipe, ...recipeFrom(flags) };
  const result = await followPruning(
    prune(model, {
      steps: flags.steps,
      criterion: flags.criterion,
      restart: flags.restart,
      ...(data && { data }),
      ...(flags.train ? Object.keys(recipe).length > 0 && { train: recipe } : { train: false as const }),
    }),
  );
  const steps: StepResult[] = [];
  for (const step of result.steps) {
    const { percent, parameters, activationParameters, macs, kept, metrics } = step;
    const to = placeOf(percent);
    const checkpoint = to && (await publish(step, { to, archive: 'none' })).directory;
    steps.push({
      percent,
      parameters,
      activationParameters,
      macs,
      ...metrics,
      kept,
      ...(checkpoint && { checkpoint }),
    });
  }
  printResult({ steps, best: result.best.percent }, flags, () =>
    table(
      ['pruned', 'parameters', 'MACs', 'test accuracy', 'checkpoint'],
      steps.map(step => [
        `${step.percent} %`,
        count(step.parameters),
        count(step.macs),
        percentage(step.testAccuracy),
        step.checkpoint ?? '-',
      ]),
    ),
  );
}
