/** Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 28x28 grey images of clothes, the full set or a subset that ships. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { checkOptions } from '../src/options.js';
import type { Task } from '../src/task.js';
import type { Dataset } from './dataset.js';
import { type DownloadEvent, download, type Source } from './download.js';
import { CorruptFileError, DatasetNotFoundError } from './errors.js';
import { readIdx, readIdxDimensions } from './idx.js';
import { inMemoryDataset, type Split, type SplitName } from './inMemory.js';
import { cacheDirectory, packageDirectory } from './places.js';

const NAME = 'fashion-mnist';
const WHERE = 'datasets.fashionMnist';
const CLASSES = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
] as const;
const SIDE = 28; // pixels

const STATISTICS = {
  /** Of all 47,040,000 training pixels (without a border), as scripts/embed-fashion-mnist.mjs prints them. */
  dataset: { mean: 0.2860405969887955, std: 0.3530242445149226 },
  /** MNIST's, which the authors of PAU used for Fashion-MNIST too. */
  paper: { mean: 0.1307, std: 0.3081 },
};

const FILES = {
  train: { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' },
  test: { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' },
} as const;
type FileName = (typeof FILES)[SplitName]['images' | 'labels'];
const FILE_NAMES = Object.values(FILES).flatMap(split => Object.values(split));

interface Edition {
  readonly length: { readonly train: number; readonly test: number };
  /** Of the uncompressed files, in hexadecimal. */
  readonly sha256: Readonly<Record<FileName, string>>;
}

const FULL: Edition = {
  length: { train: 60_000, test: 10_000 },
  sha256: {
    'train-images-idx3-ubyte': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    'train-labels-idx1-ubyte': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    't10k-images-idx3-ubyte': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    't10k-labels-idx1-ubyte': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  },
};

const EMBEDDED: Edition = {
  length: { train: 6_000, test: 1_000 },
  sha256: {
    'train-images-idx3-ubyte': '697c04572905eac443c0f271f8966f856ad3eadc8b0940bca92a8abb35197ea6',
    'train-labels-idx1-ubyte': '5f56e302b5b368e3de7323f6b585e0e8323af7ee901a41aa5ad1d647590af8d8',
    't10k-images-idx3-ubyte': 'e674901a2105ff5df3904e7a1c7c3baf3cc5026f0b1d055c6ee79b9d4338b750',
    't10k-labels-idx1-ubyte': '10e62f9028e441be81aa9f3eff693ce58e4a71b7ede00d9048d6439939c08d2d',
  },
};

const DEBIAN_DIRECTORY = '/usr/share/datasets/fashion-mnist';
const SOURCES: readonly Source[] = [
  {
    kind: 'http',
    url: 'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
  },
  { kind: 'http', url: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/' },
  { kind: 'debian', package: 'dataset-fashion-mnist', directory: DEBIAN_DIRECTORY },
];

const FashionMnistOptions = z
  .strictObject({
    /**
     * - `'auto'`: `directory` if given, else the full set where this machine has it, else the embedded subset
     * - `'full'`: the full set where this machine has it, else an error; the record of an `'auto'` that found it
     * - `'embedded'`: 6,000 training and 1,000 test images that ship with padezoo
     * - `'directory'`: `directory`
     * - `'cache'`, `'debian'`: the full set in padezoo's cache, in Debian's package
     * - `'download'`: the cache, filled on first use
     */
    source: z.enum(['auto', 'full', 'embedded', 'directory', 'cache', 'debian', 'download']).default('auto'),
    /** Holds the four IDX files under their official names, with or without `.gz`. */
    directory: z.string().min(1).optional(),
    /** 32: two pixels of zeros on each side, added before the normalisation. */
    size: z.literal([28, 32]).default(32),
    /** `'dataset'`: the set's own mean .2860 and std .3530; `'paper'`: .1307 and .3081, as the authors of PAU. */
    normalisation: z.enum(['dataset', 'paper']).default('dataset'),
  })
  .refine(({ source, directory }) => source !== 'directory' || directory !== undefined, {
    error: "source 'directory' needs the option directory",
  })
  .refine(({ source, directory }) => directory === undefined || source === 'auto' || source === 'directory', {
    error: "directory goes with source 'directory' or 'auto' alone",
  });
export type FashionMnistOptions = z.input<typeof FashionMnistOptions>;

/**
 * Fashion-MNIST; the files are looked for now and read on first use, once. Full sets and the subset are checked
 * against their sha256, a user's own directory for its structure: 28x28 images, as many labels, each below 10.
 *
 * The full set is looked for in `$PADEZOO_DATA/fashion-mnist`, padezoo's cache (`PADEZOO_CACHE`, else the platform's)
 * and Debian's package `dataset-fashion-mnist`.
 * @throws OptionsError, DatasetNotFoundError, or CorruptFileError for a directory whose headers are wrong; the rest
 *   while reading: CorruptFileError, DownloadError
 */
export function fashionMnist(options: FashionMnistOptions = {}): Dataset {
  const { size, normalisation, ...wanted } = checkOptions(FashionMnistOptions, options, WHERE);
  const place = findPlace(wanted);
  const { mean, std } = STATISTICS[normalisation];
  let ready: Promise<unknown> | undefined;
  return inMemoryDataset({
    name: NAME,
    options: { ...place.options, size, normalisation },
    source: place.source,
    licence: 'MIT, (c) 2017 Zalando SE',
    classes: CLASSES,
    length: place.edition?.length ?? countImages(place),
    pixels: { stored: [SIDE, SIDE, 1], border: (size - SIDE) / 2, mean: [mean], std: [std] },
    async load(split) {
      if (place.fetch && missingFrom(place.directory).length > 0) {
        ready ??= Promise.resolve(downloadFashionMnist({ to: place.directory })).finally(() => {
          ready = undefined;
        });
        await ready;
      }
      return readSplit(place, split);
    },
  });
}

/**
 * Downloads the full set, 30 MB, from Zalando's repository, its website or Debian, whichever answers first in that
 * order; files that are there already and sound are kept. Await it for the directory, or loop over its events.
 * @param options.to the directory to write the four `.gz` files to; padezoo's cache by default
 * @throws DownloadError
 */
export function downloadFashionMnist(
  options: { readonly to?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Task<DownloadEvent, string> {
  return download({
    dataset: NAME,
    files: FILE_NAMES.map(name => ({
      name: `${name}.gz`,
      sha256: FULL.sha256[name],
      bytes: bytesOf(name),
    })),
    sources: SOURCES,
    to: options.to ?? cachePlace(),
    signal: options.signal,
  });
}

/** Where the files are, and what they must be. */
interface Place {
  readonly directory: string;
  /** For people. */
  readonly source: string;
  /** What makes the same data again, on another machine if possible. */
  readonly options: FashionMnistOptions;
  /** null: a user's own files, of any number. */
  readonly edition: Edition | null;
  readonly remedy: string;
  readonly fetch: boolean;
}

function findPlace(wanted: {
  source: NonNullable<FashionMnistOptions['source']>;
  directory?: string | undefined;
}): Place {
  const { source, directory } = wanted;
  if (directory !== undefined) {
    requireFiles(directory);
    return {
      directory,
      source: `directory ${directory}`,
      options: { source: 'directory', directory },
      edition: null,
      remedy: 'get that file again or give another directory',
      fetch: false,
    };
  }
  if (source === 'embedded') return embeddedPlace();
  if (source === 'download') return fullPlace(cachePlace(), 'cache', { fetch: true });

  if (source === 'cache' || source === 'debian') {
    const place = fullPlace(source === 'cache' ? cachePlace() : DEBIAN_DIRECTORY, source);
    requireFiles(place.directory);
    return place;
  }

  const shared = process.env.PADEZOO_DATA;
  const candidates = [
    ...(shared ? [fullPlace(join(shared, NAME), 'PADEZOO_DATA')] : []),
    fullPlace(cachePlace(), 'cache'),
    fullPlace(DEBIAN_DIRECTORY, 'debian'),
  ];
  const found = candidates.find(candidate => missingFrom(candidate.directory).length === 0);
  if (found) return found;
  if (source === 'auto') return embeddedPlace();
  const searched = candidates.map(candidate => candidate.directory);
  throw new DatasetNotFoundError(
    NAME,
    searched,
    `${WHERE}: the full set is not on this machine, looked for ${FILE_NAMES[0]} and its three companions in ` +
      `${searched.join(', ')}; use { source: 'download' } to fetch it or { source: 'embedded' } for the subset`,
  );
}

function fullPlace(
  directory: string,
  kind: 'PADEZOO_DATA' | 'cache' | 'debian',
  { fetch = false } = {},
): Place {
  return {
    directory,
    source: `${kind} ${directory}`,
    options: { source: fetch ? 'download' : 'full' },
    edition: FULL,
    remedy:
      kind === 'debian'
        ? 'reinstall the package dataset-fashion-mnist'
        : "delete it and call datasets.download('fashion-mnist')",
    fetch,
  };
}

function embeddedPlace(): Place {
  return {
    directory: join(packageDirectory(), 'datasets', 'embedded', NAME),
    source: 'embedded subset',
    options: { source: 'embedded' },
    edition: EMBEDDED,
    remedy: 'reinstall padezoo',
    fetch: false,
  };
}

const cachePlace = () => join(cacheDirectory(), 'datasets', NAME);

function requireFiles(directory: string): void {
  const missing = missingFrom(directory);
  if (missing.length > 0)
    throw new DatasetNotFoundError(
      NAME,
      [directory],
      `${WHERE}: ${directory} has no ${missing.join(', ')} (with or without .gz); give the directory that holds the ` +
        `four official files, or use { source: 'download' } to fetch them`,
    );
}

function missingFrom(directory: string): string[] {
  return FILE_NAMES.filter(name => pathIn(directory, name) === undefined);
}

function pathIn(directory: string, name: FileName): string | undefined {
  const path = join(directory, name);
  return [path, `${path}.gz`].find(existsSync);
}

function countImages(place: Place): Edition['length'] {
  const count = (split: SplitName) =>
    readIdxDimensions(pathIn(place.directory, FILES[split].images)!, { rank: 3, remedy: place.remedy })[0]!;
  return { train: count('train'), test: count('test') };
}

async function readSplit(place: Place, split: SplitName): Promise<Split> {
  const { directory, edition, remedy } = place;
  const read = async (name: FileName, rank: number) => {
    const path = pathIn(directory, name);
    if (path === undefined) requireFiles(directory); // it was there when the data set was made
    const sha256 = edition?.sha256[name];
    return { path: path!, ...(await readIdx(path!, { rank, remedy, ...(sha256 && { sha256 }) })) };
  };
  const [images, labels] = await Promise.all([read(FILES[split].images, 3), read(FILES[split].labels, 1)]);
  const [count, height, width] = images.dimensions;
  if (height !== SIDE || width !== SIDE)
    throw new CorruptFileError(
      images.path,
      `has images of ${height} x ${width}, expected ${SIDE} x ${SIDE}`,
      remedy,
    );
  if (labels.dimensions[0] !== count)
    throw new CorruptFileError(
      labels.path,
      `has ${labels.dimensions[0]} labels, but ${images.path} has ${count} images`,
      remedy,
    );
  const wrong = labels.data.findIndex(label => label >= CLASSES.length);
  if (wrong >= 0)
    throw new CorruptFileError(
      labels.path,
      `has label ${labels.data[wrong]} at index ${wrong}, expected 0 to ${CLASSES.length - 1}`,
      remedy,
    );
  return { images: images.data, labels: labels.data };
}

function bytesOf(name: FileName): number {
  const split: SplitName = name.startsWith('train') ? 'train' : 'test';
  return name === FILES[split].images ? 16 + FULL.length[split] * SIDE * SIDE : 8 + FULL.length[split];
}
