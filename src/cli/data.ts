/** `padezoo data`: what data sets there are, what one is, and fetching their files. */
import { Command } from 'commander';
import { datasets } from '../../datasets/index.js';
import { command, type DataOptions, dataFrom, withData } from './options.js';
import { count, printResult, table } from './output.js';
import { followBytes } from './progress.js';

const EXAMPLES = `
Examples:
  padezoo data fetch cifar10
  padezoo data list
  padezoo data show --data imagenet:/data/imagenet
  padezoo data show --data "webdataset:shards/{split}-{000..146}.tar"`;

export function dataCommand(): Command {
  const fetch = command('fetch', "fetch a data set's files from the first source that has them, checked")
    .argument('<name>', datasets.fetchable().join(', '))
    .option('--to <folder>', "default: padezoo's cache, where it is found by itself")
    .addHelpText('after', '\nExample:\n  padezoo data fetch cifar10')
    .action(run);
  const list = command('list', 'the data sets, and what says where their files are').action(runList);
  const show = withData(command('show', 'classes, images and shapes of a data set'), 'fashion-mnist')
    .addHelpText('after', '\nExample:\n  padezoo data show --data folder:photos --data-option size=128')
    .action(runShow);
  return new Command('data')
    .description('data sets: list them, look at one, fetch its files')
    .addHelpText('after', EXAMPLES)
    .addCommand(fetch, { isDefault: true })
    .addCommand(list)
    .addCommand(show);
}

function runList(flags: { json?: boolean }): void {
  const places = datasets.places();
  printResult(places, flags, () => table(['data set', 'PLACE in NAME:PLACE'], Object.entries(places)));
}

async function runShow(flags: DataOptions & { json?: boolean }): Promise<void> {
  const { name, source, licence, classes, length, inputShape, mean, std } = (await dataFrom(flags))!;
  printResult({ name, source, licence, length, inputShape, mean, std, classes }, flags, () =>
    [
      `${name}: ${source}`,
      `${count(length.train)} images to train, ${count(length.test)} to test, of ${inputShape.join(' x ')}`,
      `${classes.length} classes: ${classes.slice(0, 10).join(', ')}${classes.length > 10 ? ', ...' : ''}`,
      `mean ${mean.join(' ')}, std ${std.join(' ')}; licence: ${licence}`,
    ].join('\n'),
  );
}

async function run(name: string, flags: { to?: string; json?: boolean }): Promise<void> {
  const directory = await followBytes(datasets.download(name, flags.to ? { to: flags.to } : {}), event =>
    event.type === 'progress'
      ? { what: event.file, done: event.received, total: event.total }
      : event.type === 'verified'
        ? undefined
        : Object.values(event).join(' '),
  );
  printResult({ name, directory }, flags, () => `${name}: ${directory}`);
}
