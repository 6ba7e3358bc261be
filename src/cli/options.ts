/** Options that several commands share, and how their texts are read. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Dataset } from '../../datasets/dataset.js';
import { datasets } from '../../datasets/index.js';

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number, such as 5.');
  return Number(text);
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above 0, such as 0.002.');
  return value;
}

/** From 0 to 1. */
export function fraction(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1))
    throw new InvalidArgumentError('expected a number from 0 to 1, such as 0.005.');
  return value;
}

/** `'10,20,30'` */
export function percentages(text: string): number[] {
  const values = text.split(',').map(part => (part.trim() ? Number(part) : Number.NaN));
  if (values.some(Number.isNaN)) throw new InvalidArgumentError('expected percentages, such as 10,20,30.');
  return values;
}

export interface SharedOptions {
  readonly json?: boolean;
}

/** A command with `--json`, which every command has. */
export function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'print the result as JSON on standard output');
}

export interface DataOptions {
  readonly data?: string;
  readonly dataDir?: string;
}

/** `--data` and `--data-dir`. */
export function withData(target: Command, fallback?: string): Command {
  return target
    .addOption(new Option('--data <name>', 'data set').choices([...datasets.list()]).default(fallback))
    .option(
      '--data-dir <folder>',
      "folder of the data set's files (default: the usual places, then the embedded subset)",
    );
}

/** The data set that the options name; `undefined` when they name none. */
export function dataFrom({ data, dataDir }: DataOptions): Dataset | undefined {
  if (!data && !dataDir) return undefined;
  return datasets.create(data ?? 'fashion-mnist', dataDir ? { directory: dataDir } : {});
}

export interface RecipeFlags {
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly optimizer?: 'adam' | 'sgd';
  readonly learningRate?: number;
  readonly schedule?: 'constant' | 'cosine';
  readonly seed?: number;
}

/** The options of a training recipe. */
export function withRecipe(target: Command): Command {
  return target
    .option('--epochs <n>', 'passes over the training images', wholeNumber)
    .option('--batch-size <n>', 'images a step', wholeNumber)
    .addOption(
      new Option('--optimizer <name>', 'adam (0.002) or sgd (0.01, momentum 0.5)').choices(['adam', 'sgd']),
    )
    .option('--learning-rate <rate>', "instead of the optimizer's own", positiveNumber)
    .addOption(new Option('--schedule <name>', 'of the learning rate').choices(['constant', 'cosine']))
    .option('--seed <n>', 'fixes weights and order', wholeNumber);
}

/** The recipe that the flags ask for: only what was given. */
export function recipeFrom({ learningRate, optimizer, ...flags }: RecipeFlags) {
  const { epochs, batchSize, schedule, seed } = flags;
  const given = Object.entries({ epochs, batchSize, schedule, seed }).filter(
    ([, value]) => value !== undefined,
  );
  const name = optimizer ?? 'adam';
  return {
    ...Object.fromEntries(given),
    ...(learningRate ? { optimizer: { name, learningRate } } : optimizer ? { optimizer } : {}),
  };
}
