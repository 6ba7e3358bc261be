/** `padezoo info`: sizes of an architecture or a checkpoint, layer by layer. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { zoo } from '../../zoo/index.js';
import { summary } from '../../zoo/summary.js';
import { engine } from '../engines/index.js';
import { load } from '../publish/load.js';
import { command } from './options.js';
import { count, printResult, table } from './output.js';

interface Flags {
  readonly activation: string;
  readonly variant?: 'imagenet';
  readonly json?: boolean;
}

export function infoCommand(): Command {
  return command('info', 'parameters and multiply-accumulates, layer by layer')
    .argument(
      '<network>',
      `an architecture (${zoo
        .list()
        .map(({ name }) => name)
        .join(', ')}) or a checkpoint`,
    )
    .option('--activation <name>', "'pau', 'relu', 'lrelu:0.2'", 'pau')
    .addOption(new Option('--variant <name>', 'the network for 224x224 images').choices(['imagenet']))
    .addHelpText(
      'after',
      '\nExamples:\n  padezoo info lenet --activation pau\n  padezoo info out/quickstart/published --json',
    )
    .action(run);
}

async function run(network: string, flags: Flags): Promise<void> {
  await engine.ready();
  const known = zoo.list().some(({ name }) => name === network);
  const model =
    !known && existsSync(network)
      ? await load(network)
      : zoo.create(network, {
          activation: flags.activation,
          ...(flags.variant && { variant: flags.variant }),
        });
  const { parameters, activationParameters, macs, activationBytes, layers } = summary(model);
  const name = model.name;
  printResult({ name, parameters, activationParameters, macs, activationBytes, layers }, flags, () =>
    [
      table(
        ['layer', 'type', 'output', 'parameters', 'MACs', 'output bytes'],
        layers.map(row => [
          row.name,
          row.type,
          row.outputShape.join('x'),
          count(row.parameters),
          count(row.macs),
          count(row.activationBytes),
        ]),
      ),
      `${name}: ${count(parameters)} parameters, ${count(activationParameters)} of them in activations; ${count(macs)} MACs; ${count(activationBytes)} bytes of activations per image`,
    ].join('\n'),
  );
}
