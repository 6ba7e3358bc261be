/** `padezoo quickstart`: trains, prunes, publishes and reports a Padé LeNet on Fashion-MNIST, in one go. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Command } from 'commander';
import writeFileAtomic from 'write-file-atomic';
import { datasets } from '../../datasets/index.js';
import { explain } from '../../pruning/explain.js';
import { couplingGraph } from '../../pruning/graph.js';
import { prune } from '../../pruning/prune.js';
import { zoo } from '../../zoo/index.js';
import { engine } from '../engines/index.js';
import { checkPlace } from '../publish/placeBundle.js';
import { publish } from '../publish/publish.js';
import { saveCheckpoint } from '../publish/saveCheckpoint.js';
import type { StepRecord } from '../report/record.js';
import { recordStep } from '../report/recordStep.js';
import { writeReport } from '../report/writeReport.js';
import { train } from '../training/train.js';
import { command, type EngineFlags, startEngine, wholeNumber, withEngine } from './options.js';
import { count, note, percentage, printResult, table } from './output.js';
import { followPruning, followTraining } from './progress.js';

const STEPS = [10, 20, 30];
/** Images from which on the full set is at hand, not the embedded tenth. */
const FULL = 60_000;

export function quickstartCommand(): Command {
  const target = command('quickstart', 'train, prune, publish and report a Padé LeNet on Fashion-MNIST');
  return withEngine(target)
    .option('--out <folder>', 'where everything goes', 'out/quickstart')
    .option('--epochs <n>', 'of each training (default: 20, with the full data set 6)', wholeNumber)
    .option('--seed <n>', 'fixes weights and order', wholeNumber, 1)
    .addHelpText('after', '\nExample:\n  padezoo quickstart --out out/quickstart')
    .action(run);
}

async function run({
  out,
  seed,
  ...flags
}: EngineFlags & {
  out: string;
  epochs?: number;
  seed: number;
  json?: boolean;
}): Promise<void> {
  await startEngine(flags);
  const data = datasets.fashionMnist();
  const full = data.length.train >= FULL;
  const epochs = flags.epochs ?? (full ? 6 : 20);
  note(`engine: ${engine.describe()}`);
  note(
    `data:   Fashion-MNIST, ${full ? `the full set (${data.source})` : `the ${data.source}`}: ${count(data.length.train)} training and ${count(data.length.test)} test images`,
  );
  await mkdir(out, { recursive: true });
  for (const name of ['unpruned', ...STEPS.map(percent => `step-${percent}`), 'published'])
    await checkPlace(join(out, name));

  const model = zoo.lenet({ activation: 'pau', seed });
  const recipe = { epochs, batchSize: 128, schedule: 'cosine', seed } as const;
  const trained = await followTraining(train(model, { ...recipe, data }));
  const keep = async (network: LayersModel, name: string) =>
    (await saveCheckpoint(network, join(out, name))).directory;
  await keep(model, 'unpruned');
  const records: StepRecord[] = [
    await recordStep(model, { seconds: trained.seconds, checkpoint: 'unpruned' }),
  ];

  const pruned = await followPruning(prune(model, { steps: STEPS }));
  const steps = [];
  for (const step of pruned.steps) {
    const { percent, parameters, macs, metrics, seconds } = step;
    const checkpoint = await keep(step.model, `step-${percent}`);
    records.push(await recordStep(step.model, { percent, seconds, checkpoint: `step-${percent}` }));
    steps.push({ percent, parameters, macs, testAccuracy: metrics!.testAccuracy, checkpoint });
  }
  const published = await publish(pruned.best, { to: join(out, 'published') });

  const report = join(out, 'report.html');
  const best = pruned.steps.indexOf(pruned.best) + 1;
  await writeReport(
    {
      title: 'LeNet with Padé activations on Fashion-MNIST',
      created: new Date().toISOString(),
      engine: engine.describe(),
      architecture: 'lenet',
      dataset: { name: data.name, source: data.source, ...data.length },
      recipe: trained.recipe,
      seed,
      steps: records,
      best,
      coupling: explain(couplingGraph(model)),
    },
    report,
  );

  const { parameters, macs, testAccuracy } = records[0]!;
  const summary = {
    engine: engine.describe(),
    dataset: `${data.name}, ${data.source}`,
    images: data.length,
    testAccuracy,
    parameters,
    macs,
    steps,
    published: published.directory,
    report: resolve(report),
  };
  await writeFileAtomic(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  printResult(summary, flags, () =>
    [
      '',
      table(
        ['network', 'parameters', 'MACs', 'test accuracy', 'checkpoint'],
        records.map((record, i) => [
          i === 0 ? 'unpruned' : `${record.percent} % pruned${i === best ? ' (best)' : ''}`,
          count(record.parameters),
          count(record.macs),
          percentage(record.testAccuracy),
          join(out, record.checkpoint!),
        ]),
      ),
      `published: ${published.directory} and ${published.archive}`,
      `report:    ${report}`,
      `summary:   ${join(out, 'summary.json')}`,
    ].join('\n'),
  );
}
