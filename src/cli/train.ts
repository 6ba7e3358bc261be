/** `padezoo train`: trains an architecture of the zoo and writes its checkpoint. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import writeFileAtomic from 'write-file-atomic';
import { zoo } from '../../zoo/index.js';
import { summary } from '../../zoo/summary.js';
import { engine } from '../engines/index.js';
import { checkPlace } from '../publish/placeBundle.js';
import { saveCheckpoint } from '../publish/saveCheckpoint.js';
import { train } from '../training/train.js';
import {
  command,
  type DataOptions,
  dataFrom,
  type EngineFlags,
  networkFor,
  type RecipeFlags,
  recipeFrom,
  startEngine,
  withData,
  withEngine,
  withRecipe,
} from './options.js';
import { count, note, percentage, printResult } from './output.js';
import { followTraining } from './progress.js';

interface Flags extends DataOptions, RecipeFlags, EngineFlags {
  readonly activation: string;
  readonly out?: string;
  readonly activationHistory?: string;
  readonly json?: boolean;
}

export function trainCommand(): Command {
  const target = command('train', 'train an architecture and write its checkpoint')
    .argument(
      '<architecture>',
      zoo
        .list()
        .map(({ name }) => name)
        .join(', '),
    )
    .option('--activation <name>', "'pau', 'relu', 'lrelu:0.2'", 'pau')
    .option('--out <folder>', 'where the checkpoint goes')
    .option(
      '--activation-history <file>',
      "where every epoch's record goes, as JSON, with the inputs and coefficients of its Padé activations",
    );
  return withEngine(withRecipe(withData(target, 'fashion-mnist')))
    .addHelpText(
      'after',
      `
Examples:
  padezoo train lenet --activation pau --data fashion-mnist --epochs 20 --out out/lenet-pau
  padezoo train lenet --activation relu --optimizer sgd --seed 1 --json
  padezoo train resnet50 --data imagenet:/data/imagenet --data-option workers=8 --out out/resnet50
  padezoo train resnet18 --data cifar10 --device cuda --precision bf16 --batch-size 256
  padezoo train resnet18 --data folder:photos --data-option size=128 --train-images 1000
  padezoo train lenet --activation-history out/activations.json`,
    )
    .action(run);
}

async function run(architecture: string, flags: Flags): Promise<void> {
  await startEngine(flags);
  const recipe = recipeFrom(flags);
  const data = (await dataFrom(flags))!;
  const model = networkFor(architecture, flags, data);
  if (flags.out) await checkPlace(flags.out);
  const history = flags.activationHistory;
  if (history) await mkdir(dirname(history), { recursive: true });
  note(`${engine.describe()}; ${data.name}: ${data.source}`);
  const observed = history ? { activationHistory: 'every-epoch' as const } : {};
  const { testAccuracy, testLoss, epochs, seconds } = await followTraining(
    train(model, { ...recipe, ...observed, data }),
  );
  if (history) await writeFileAtomic(history, `${JSON.stringify(epochs)}\n`);
  const checkpoint = flags.out && (await saveCheckpoint(model, flags.out)).directory;
  const { parameters, activationParameters, macs } = summary(model);
  const result = {
    architecture,
    activation: flags.activation,
    dataset: data.name,
    testAccuracy,
    testLoss,
    parameters,
    activationParameters,
    macs,
    epochs: epochs.length,
    seconds,
    ...(checkpoint && { checkpoint }),
    ...(history && { activations: history }),
  };
  printResult(result, flags, () =>
    [
      `${architecture} with ${flags.activation}: ${percentage(testAccuracy)} of the test images, ${count(parameters)} parameters, ${seconds.toFixed(0)} s`,
      ...(checkpoint ? [`checkpoint: ${checkpoint}`] : []),
      ...(history ? [`activations: ${history}`] : []),
    ].join('\n'),
  );
}
