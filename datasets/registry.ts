/** The data sets by name: one table, from which they are listed, made and downloaded. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { Task } from '../src/task.js';
import type { ArchiveProgress } from './archives/progress.js';
import { fromArrays } from './arrays.js';
import { type Cifar100Options, type CifarOptions, cifar10, cifar100 } from './cifar.js';
import { CIFAR10, CIFAR100 } from './cifarSets.js';
import type { Dataset } from './dataset.js';
import type { DownloadEvent } from './download.js';
import { FASHION_MNIST_FILES, type FashionMnistOptions, fashionMnist } from './fashionMnist.js';
import { downloadSet, type FileSet } from './fileSet.js';
import { type ImageFolderOptions, imageFolder } from './imageFolder.js';
import { type ImageNetOptions, imagenet } from './imagenet/index.js';
import { type Limits, limit } from './limit.js';
import { MNIST_FILES, type MnistOptions, mnist } from './mnist.js';
import { type WebDatasetOptions, webDataset } from './webDataset.js';

interface Member {
  /** Checks its options itself. */
  create(options: Readonly<Record<string, unknown>>): Dataset | Task<ArchiveProgress, Dataset>;
  /** What `download` gets; absent where the files are the user's to get. */
  readonly files?: FileSet;
  /** The option that says where its files are, and what that is. */
  readonly place: { readonly option: string; readonly what: string };
  /** The options that may hold paths or addresses of a user's files: they are not published. */
  readonly paths: readonly string[];
}

const directory = {
  option: 'directory',
  what: 'the folder of its files (default: where it is found by itself)',
};

const members: Readonly<Record<string, Member>> = {
  mnist: {
    create: options => mnist(options as MnistOptions),
    files: MNIST_FILES,
    place: directory,
    paths: ['directory'],
  },
  'fashion-mnist': {
    create: options => fashionMnist(options as FashionMnistOptions),
    files: FASHION_MNIST_FILES,
    place: directory,
    paths: ['directory'],
  },
  cifar10: {
    create: options => cifar10(options as CifarOptions),
    files: CIFAR10,
    place: directory,
    paths: ['directory'],
  },
  cifar100: {
    create: options => cifar100(options as Cifar100Options),
    files: CIFAR100,
    place: directory,
    paths: ['directory'],
  },
  imagenet: {
    create: options => imagenet(options as ImageNetOptions),
    place: {
      option: 'directory',
      what: 'the folder of ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz',
    },
    paths: ['directory', 'train', 'val', 'devkit'],
  },
  folder: {
    create: options => imageFolder(options as ImageFolderOptions),
    place: { option: 'directory', what: 'a folder with train/CLASS/*.jpg and test/CLASS/*.jpg' },
    paths: ['directory', 'train', 'test'],
  },
  webdataset: {
    create: options => webDataset(options as WebDatasetOptions),
    place: { option: 'shards', what: 'a pattern of shards, such as shards/{split}-{000..146}.tar' },
    paths: ['shards', 'train', 'test', 'classes'],
  },
};

const DownloadTarget = z.strictObject({
  /** The directory to write to; padezoo's cache by default. */
  to: z.string().min(1).optional(),
  signal: z.instanceof(AbortSignal).optional(),
});
export type DownloadTarget = z.input<typeof DownloadTarget>;

/** The names that `create` and `open` know. */
function list(): readonly string[] {
  return Object.keys(members);
}

/** Those whose files `download` gets. */
function fetchable(): readonly string[] {
  return list().filter(name => members[name]!.files);
}

/** What can be given for a data set's place, by name: `{ imagenet: 'the folder of ...' }`. */
function places(): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(members).map(([name, { place }]) => [name, place.what]));
}

/** `paths` of a data set; undefined for one that is not listed, whose options nobody knows. */
export function pathOptions(name: string): readonly string[] | undefined {
  return Object.hasOwn(members, name) ? members[name]!.paths : undefined;
}

/**
 * The data set of that name: `create(dataset.name, dataset.options)` makes `dataset` again. `limit: { train, test }` may be
 * among the options of each. Await the task for the data set, or loop over its progress.
 * @throws OptionsError, and what the data set's own function throws
 */
function create(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
): Task<ArchiveProgress, Dataset> {
  const { limit: limits, ...own } = options;
  const member = memberOf(name, 'datasets.create');
  return new Task(async function* () {
    const made = member.create(own);
    const data = made instanceof Task ? yield* made[Symbol.asyncIterator]() : made;
    return limits === undefined ? data : limit(data, limits as Limits);
  });
}

/**
 * The data set that a word names, with the place of its files if need be: `'cifar10'`, `'cifar10:DIR'`, `'imagenet:DIR'`,
 * `'folder:DIR'`, `'webdataset:PATTERN'`.
 * @param options as of `create`
 * @throws as `create`
 */
function open(word: string, options: Readonly<Record<string, unknown>> = {}): Task<ArchiveProgress, Dataset> {
  const [, name, place] = /^([^:]*):?(.*)$/s.exec(word)! as unknown as [string, string, string];
  const { option } = memberOf(name, 'datasets.open').place;
  if (place !== '' && option in options)
    throw new OptionsError(
      `datasets.open: ${JSON.stringify(word)} says where the files are, and so does the option ${option}; give one of them`,
    );
  return create(name, place === '' ? options : { ...options, [option]: place });
}

/**
 * Fetches the files of a data set, checked. Await it for the directory, or loop over its events.
 * @throws OptionsError, DownloadError
 */
function download(name: string, options: DownloadTarget = {}): Task<DownloadEvent, string> {
  const { files, place } = memberOf(name, 'datasets.download');
  if (!files)
    throw new OptionsError(
      `datasets.download: ${name} is not fetched; get its files yourself and give ${place.what}`,
    );
  return downloadSet(files, checkOptions(DownloadTarget, options, 'datasets.download'));
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
  limit,
  create,
  open,
  list,
  places,
  fetchable,
  download,
} as const;
