/** CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 32x32 colour images, from their binary files or the archive of them. */
import { join } from 'node:path';
import { z } from 'zod';
import { checkOptions } from '../src/options.js';
import { countRecords, readRecords } from './cifarRecords.js';
import { CIFAR10, CIFAR100, type CifarSet, OFFICIAL, SIDE } from './cifarSets.js';
import type { Dataset } from './dataset.js';
import { WrongFormatError } from './errors.js';
import { fetchOnce, findPlace, pathIn, sourceShape, withSourceRules } from './fileSet.js';
import { inMemoryDataset } from './inMemory.js';
import { namesIn } from './places.js';
import { protocols, type Transforms, TransformsSchema } from './transforms.js';

const shape = {
  ...sourceShape,
  /** Holds the binary files, or the official `-binary.tar.gz`. */
  directory: sourceShape.directory,
  /**
   * `'paper'`: in training a window of 32x32 anywhere in the image with 4 pixels of zeros around it, and a flip of
   * every other image; `'none'`; or lists of one's own.
   */
  transforms: z.union([z.enum(['none', 'paper']), TransformsSchema]).default('paper'),
};

const CifarOptions = withSourceRules(z.strictObject(shape));
export type CifarOptions = z.input<typeof CifarOptions>;

const Cifar100Options = withSourceRules(
  z.strictObject({
    ...shape,
    /** The 100 classes, or the 20 groups of five of them that the authors call superclasses. */
    labels: z.enum(['fine', 'coarse']).default('fine'),
  }),
);
export type Cifar100Options = z.input<typeof Cifar100Options>;

/**
 * CIFAR-10: 50,000 and 10,000 images, normalised channel by channel. The files are looked for now in
 * `$PADEZOO_DATA/cifar10` and padezoo's cache and read on first use, checked against their checksums; a user's own
 * directory may hold the binary files, or the archive of them, with any number of images.
 * @throws OptionsError, DatasetNotFoundError, WrongFormatError for the versions for Python and Matlab; the rest while
 *   reading: CorruptFileError, CorruptArchiveError, DownloadError
 */
export function cifar10(options: CifarOptions = {}): Dataset {
  return cifar(CIFAR10, { ...checkOptions(CifarOptions, options, CIFAR10.where), labels: 'fine' });
}

/**
 * CIFAR-100 with its 100 fine classes or its 20 coarse ones; otherwise as `cifar10`.
 * @throws as `cifar10`
 */
export function cifar100(options: Cifar100Options = {}): Dataset {
  return cifar(CIFAR100, checkOptions(Cifar100Options, options, CIFAR100.where));
}

function cifar(
  set: CifarSet,
  { transforms, source, directory, labels }: z.output<typeof Cifar100Options>,
): Dataset {
  const files = { ...set, inspect: (folder: string) => refuseOthers(set, folder) };
  const place = findPlace(files, { source, directory: directory && nested(set, directory) });
  const fetchFiles = fetchOnce(files, place);
  const length = place.edition === 'own' ? countRecords(set, place) : set.length;
  return inMemoryDataset({
    name: set.name,
    where: set.where,
    options: {
      ...place.options,
      ...(directory && { directory }),
      ...(transforms !== 'paper' && { transforms }),
      ...(labels !== 'fine' && { labels }),
    },
    source: place.source,
    licence: 'unknown; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009',
    classes: set.labels[labels]!.classes,
    length,
    pixels: { stored: [SIDE, SIDE, 3], ...set.statistics },
    transforms: transformsOf(transforms),
    async load(split) {
      await fetchFiles();
      return readRecords(set, place, { split, labels, images: length[split] });
    },
  });
}

function transformsOf(wanted: z.output<typeof CifarOptions>['transforms']): Transforms {
  if (wanted === 'paper') return protocols.cifar;
  return wanted === 'none' ? { train: [], test: [] } : wanted;
}

/** The archive unpacks into a folder; a user may give the one around it. */
function nested({ folder, splits }: CifarSet, directory: string): string {
  const inner = join(directory, folder);
  const [first] = splits.train;
  return !pathIn(directory, first!) && pathIn(inner, first!) ? inner : directory;
}

/** @throws WrongFormatError when the folder holds another version of the data set */
function refuseOthers({ name, where, others, archive }: CifarSet, directory: string): void {
  const names = namesIn(directory);
  for (const [language, theirs] of Object.entries(others)) {
    const found = names.find(one => theirs.includes(one));
    if (found === undefined) continue;
    const path = join(directory, found);
    const why =
      language === 'Python'
        ? 'pickle files, which only Python can read and which can run code'
        : 'MAT files, which are not read here';
    throw new WrongFormatError(
      path,
      `${where}: ${path} is the version for ${language} (${why}); get the binary version, ` +
        `${OFFICIAL}${archive.name}, or run \`padezoo data fetch ${name}\``,
    );
  }
}
