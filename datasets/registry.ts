/** The data sets by name: one table, from which they are listed, made and downloaded. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import type { Task } from '../src/task.js';
import { fromArrays } from './arrays.js';
import {
  type Cifar100Options,
  type CifarOptions,
  cifar10,
  cifar100,
  downloadCifar10,
  downloadCifar100,
} from './cifar.js';
import type { Dataset } from './dataset.js';
import type { DownloadEvent } from './download.js';
import { downloadFashionMnist, type FashionMnistOptions, fashionMnist } from './fashionMnist.js';
import { imageFolder } from './imageFolder.js';
import { imagenet } from './imagenet/index.js';
import { downloadMnist, type MnistOptions, mnist } from './mnist.js';
import { webDataset } from './webDataset.js';

interface Member {
  /** Checks its options itself. */
  create(options: Readonly<Record<string, unknown>>): Dataset;
  download(options: DownloadTarget): Task<DownloadEvent, string>;
}

const members: Readonly<Record<string, Member>> = {
  mnist: { create: options => mnist(options as MnistOptions), download: downloadMnist },
  'fashion-mnist': {
    create: options => fashionMnist(options as FashionMnistOptions),
    download: downloadFashionMnist,
  },
  cifar10: { create: options => cifar10(options as CifarOptions), download: downloadCifar10 },
  cifar100: { create: options => cifar100(options as Cifar100Options), download: downloadCifar100 },
};

const DownloadTarget = z.strictObject({
  /** The directory to write to; padezoo's cache by default. */
  to: z.string().min(1).optional(),
  signal: z.instanceof(AbortSignal).optional(),
});
export type DownloadTarget = z.input<typeof DownloadTarget>;

/** The names that `create` and `download` know. */
function list(): readonly string[] {
  return Object.keys(members);
}

/**
 * The data set of that name: `create(dataset.name, dataset.options)` makes `dataset` again.
 * @throws OptionsError, and what the data set's own function throws
 */
function create(name: string, options: Readonly<Record<string, unknown>> = {}): Dataset {
  return memberOf(name, 'datasets.create').create(options);
}

/**
 * Fetches the files of a data set, checked. Await it for the directory, or loop over its events.
 * @throws OptionsError, DownloadError
 */
function download(name: string, options: DownloadTarget = {}): Task<DownloadEvent, string> {
  const member = memberOf(name, 'datasets.download');
  return member.download(checkOptions(DownloadTarget, options, 'datasets.download'));
}

function memberOf(name: string, where: string): Member {
  const member = Object.hasOwn(members, name) ? members[name] : undefined;
  if (!member)
    throw new OptionsError(
      `${where}: no data set ${JSON.stringify(name)}, expected one of ${list().join(', ')}`,
    );
  return member;
}

/** `import { datasets } from 'padezoo'` */
export const datasets = {
  mnist,
  fashionMnist,
  cifar10,
  cifar100,
  imagenet,
  imageFolder,
  webDataset,
  fromArrays,
  create,
  list,
  download,
} as const;
