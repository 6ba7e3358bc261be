/** Options that several commands share, and how their texts are read. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Dataset } from '../../datasets/dataset.js';
import { datasets } from '../../datasets/index.js';
import { zoo } from '../../zoo/index.js';
import { DeviceName, engineOfEnvironment } from '../engines/choice.js';
import { engine } from '../engines/index.js';
import { PRECISIONS, type Precision } from '../engines/torch/precision.js';
import { OptionsError } from '../errors.js';
import { followBytes } from './progress.js';

const LARGE_IMAGE = 96; // pixels a side: below, a first layer that divides by four leaves too little

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
  readonly dataOption?: Readonly<Record<string, unknown>>;
  readonly trainImages?: number;
  readonly testImages?: number;
}

/** `name=value`, again and again; a value is JSON, or else text. */
function dataOption(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const [, name, value] = /^([A-Za-z]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('expected name=value, such as size=128.');
  try {
    return { ...before, [name]: JSON.parse(value) as unknown };
  } catch {
    return { ...before, [name]: value };
  }
}

function dataWord(text: string): string {
  const [name] = text.split(':', 1) as [string];
  if (!datasets.list().includes(name))
    throw new InvalidArgumentError(
      `expected one of ${datasets.list().join(', ')}; with a place as NAME:PLACE.`,
    );
  return text;
}

/** Which data set, where its files are, its options, and how much of it. */
export function withData(target: Command, fallback?: string): Command {
  return target
    .addOption(
      new Option('--data <name>', `${datasets.list().join(', ')}; NAME:PLACE says where its files are`)
        .argParser(dataWord)
        .default(fallback),
    )
    .option(
      '--data-dir <folder>',
      "folder of the data set's files (default: the usual places, then the embedded subset)",
    )
    .option(
      '--data-option <name=value>',
      'of the data set, such as size=128 or workers=4; repeat',
      dataOption,
    )
    .option('--train-images <n>', 'images an epoch, at most (default: all)', wholeNumber)
    .option('--test-images <n>', 'test images, at most (default: all)', wholeNumber);
}

/** The data set that the options name; `undefined` when they name none. */
export async function dataFrom(flags: DataOptions): Promise<Dataset | undefined> {
  const { data, dataDir, dataOption, trainImages: train, testImages: test } = flags;
  if (!data && !dataDir) {
    if (dataOption || train !== undefined || test !== undefined)
      throw new OptionsError('--data-option, --train-images and --test-images need --data');
    return undefined;
  }
  const limit = { ...(train !== undefined && { train }), ...(test !== undefined && { test }) };
  const opened = datasets.open(data ?? 'fashion-mnist', {
    ...dataOption,
    ...(dataDir && { directory: dataDir }),
    ...(Object.keys(limit).length > 0 && { limit }),
  });
  return followBytes(opened, ({ work, archive, done, total }) => ({
    what: `${work} of ${archive}`,
    done,
    total,
  }));
}

export interface EngineFlags {
  readonly device?: string;
  readonly precision?: Precision;
}

function deviceWord(text: string): string {
  if (DeviceName.safeParse(text).success) return text;
  throw new InvalidArgumentError("expected 'cpu', 'cuda' or a GPU such as 'cuda:1'.");
}

/** Where it calculates, and how exactly. */
export function withEngine(target: Command): Command {
  return target
    .option(
      '--device <name>',
      "where torch calculates: 'cpu' (default), 'cuda' (the first GPU), 'cuda:1'",
      deviceWord,
    )
    .addOption(
      new Option('--precision <name>', 'of convolutions and matrix products (default: fp32)').choices(
        PRECISIONS,
      ),
    );
}

/** The engine of the environment, or the best that works; with the flags' options torch, unless the environment differs. */
export async function startEngine({ device, precision }: EngineFlags): Promise<void> {
  if (device === undefined && precision === undefined) return engine.ready();
  const given = { ...(device !== undefined && { device }), ...(precision !== undefined && { precision }) };
  return engine.use(engineOfEnvironment() ?? 'torch', given);
}

export interface NetworkOptions {
  readonly activation: string;
  readonly seed?: number;
}

/**
 * An architecture of the zoo as the images need it: its classes, its input, and for large images its variant for ImageNet.
 */
export function networkFor(
  name: string,
  { activation, seed = 0 }: NetworkOptions,
  data?: Dataset,
): LayersModel {
  const known = zoo.list().find(one => one.name === name);
  const large = data && known?.imagenet && data.inputShape[0] >= LARGE_IMAGE;
  const usual = large ? known.imagenet : known;
  return zoo.create(name, {
    activation,
    seed,
    ...(large && { variant: 'imagenet' }),
    ...(data && usual?.classes !== data.classes.length && { classes: data.classes.length }),
    ...(data && usual?.inputShape.join() !== data.inputShape.join() && { inputShape: [...data.inputShape] }),
  });
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
