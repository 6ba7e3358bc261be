/** `padezoo publish`: writes a checkpoint as a folder and one archive. */
import type { Command } from 'commander';
import { load } from '../publish/load.js';
import { publish } from '../publish/publish.js';
import { command } from './options.js';
import { printResult } from './output.js';

interface Flags {
  readonly to: string;
  readonly json?: boolean;
}

export function publishCommand(): Command {
  return command('publish', 'write a checkpoint as a folder and as one .tar.gz, to give to others')
    .argument('<checkpoint>', 'folder or .tar.gz')
    .requiredOption('--to <folder>', 'where it goes; the archive is <folder>.tar.gz')
    .addHelpText('after', '\nExample:\n  padezoo publish out/lenet-pruned/step-30 --to out/lenet-pade-30')
    .action(run);
}

async function run(path: string, flags: Flags): Promise<void> {
  const { directory, archive, manifest } = await publish(await load(path), { to: flags.to });
  printResult({ directory, archive, metrics: manifest.metrics, files: manifest.files }, flags, () =>
    [`folder:  ${directory}`, `archive: ${archive}`].join('\n'),
  );
}
