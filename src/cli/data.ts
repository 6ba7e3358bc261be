/** `padezoo data`: what data sets there are, and fetching their files. */
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import { datasets } from '../../datasets/index.js';
import { command } from './options.js';
import { note, printResult } from './output.js';

export function dataCommand(): Command {
  const fetch = command('fetch', "fetch a data set's files from the first source that has them, checked")
    .argument('<name>', datasets.list().join(', '))
    .option('--to <folder>', "default: padezoo's cache, where it is found by itself")
    .addHelpText('after', '\nExample:\n  padezoo data fetch cifar10')
    .action(run);
  return new Command('data')
    .description('data sets: fetch their files')
    .addHelpText('after', '\nExample:\n  padezoo data fetch cifar10')
    .addCommand(fetch, { isDefault: true });
}

async function run(name: string, flags: { to?: string; json?: boolean }): Promise<void> {
  const task = datasets.download(name, flags.to ? { to: flags.to } : {});
  const bar = process.stderr.isTTY
    ? new SingleBar({ format: '{file}  {bar} {percentage} %', stream: process.stderr, hideCursor: true })
    : undefined;
  let file: string | undefined;
  for await (const event of task) {
    if (event.type !== 'progress') {
      if (event.type !== 'verified') note(describe(event));
      continue;
    }
    if (event.file !== file) bar?.start(event.total ?? 0, 0, { file: event.file });
    file = event.file;
    bar?.update(event.received);
  }
  bar?.stop();
  const directory = await task;
  printResult({ name, directory }, flags, () => `${name}: ${directory}`);
}

function describe(event: object): string {
  return Object.values(event).join(' ');
}
