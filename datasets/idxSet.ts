/** Data sets of MNIST's form: four IDX files of 28x28 grey images and labels below 10. */
import { z } from 'zod';
import { checkOptions } from '../src/options.js';
import type { Dataset } from './dataset.js';
import { CorruptFileError } from './errors.js';
import {
  type FileSet,
  fetchOnce,
  findPlace,
  type Place,
  pathIn,
  requireFiles,
  sourceShape,
  withSourceRules,
} from './fileSet.js';
import { readIdx, readIdxDimensions } from './idx.js';
import { inMemoryDataset, type Split, type SplitName } from './inMemory.js';
import type { ExpectedFile, Source } from './sources.js';
import { protocols, type Transforms, TransformsSchema } from './transforms.js';

const SIDE = 28; // pixels

export const IDX_FILES = {
  train: { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' },
  test: { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' },
} as const;
type FileName = (typeof IDX_FILES)[SplitName]['images' | 'labels'];

interface Contents {
  readonly length: { readonly train: number; readonly test: number };
  /** Of the uncompressed files, in hexadecimal. */
  readonly sha256: Readonly<Record<FileName, string>>;
}

/** MNIST's, which the authors of PAU used for Fashion-MNIST too. */
const PAPER = { mean: 0.1307, std: 0.3081 };

export interface IdxSet {
  readonly name: string;
  readonly where: string;
  readonly classes: readonly string[];
  readonly licence: string;
  /** Of all training pixels in [0, 1], without a border. */
  readonly statistics: { readonly mean: number; readonly std: number };
  readonly full: Contents;
  readonly embedded?: Contents;
  readonly sources: readonly Source[];
  readonly debian?: FileSet['debian'];
}

export const IdxOptions = withSourceRules(
  z.strictObject({
    ...sourceShape,
    /** 32: two pixels of zeros on each side, added before the normalisation. */
    size: z.literal([28, 32]).default(32),
    /** `'dataset'`: the set's own mean and std; `'paper'`: .1307 and .3081, MNIST's, as the authors of PAU. */
    normalisation: z.enum(['dataset', 'paper']).default('dataset'),
    /**
     * `'none'`: only `size`; `'paper'`: resized to 32x32 and, in training, turned by up to 30 degrees; or lists of one's
     * own, which start at 28x28.
     */
    transforms: z.union([z.enum(['none', 'paper']), TransformsSchema]).default('none'),
  }),
);
export type IdxOptions = z.input<typeof IdxOptions>;

/** The files as `padezoo data fetch` gets them. */
export function fileSetOf(set: IdxSet): FileSet {
  const { name, where, sources, debian, embedded } = set;
  return {
    name,
    where,
    files: Object.values(IDX_FILES).flatMap(files => Object.values(files).map(file => expected(set, file))),
    sources,
    ...(debian && { debian }),
    ...(embedded && { embedded: name }),
  };
}

/**
 * @throws OptionsError, DatasetNotFoundError, or CorruptFileError for a directory whose headers are wrong; the rest while
 *   reading: CorruptFileError, DownloadError
 */
export function idxDataset(set: IdxSet, options: IdxOptions): Dataset {
  const { size, normalisation, transforms, source, directory } = checkOptions(IdxOptions, options, set.where);
  const files = fileSetOf(set);
  const place = findPlace(files, { source, directory });
  const { mean, std } = normalisation === 'paper' ? PAPER : set.statistics;
  const fetchFiles = fetchOnce(files, place);
  return inMemoryDataset({
    name: set.name,
    where: set.where,
    options: { ...place.options, size, normalisation, ...(transforms !== 'none' && { transforms }) },
    source: place.source,
    licence: set.licence,
    classes: set.classes,
    length: place.edition === 'own' ? countImages(place) : contentsOf(set, place)!.length,
    pixels: { stored: [SIDE, SIDE, 1], mean: [mean], std: [std] },
    transforms: transformsOf(transforms, size),
    async load(split) {
      await fetchFiles();
      return readSplit(set, files, place, split);
    },
  });
}

function transformsOf(wanted: z.output<typeof IdxOptions>['transforms'], size: 28 | 32): Transforms {
  if (wanted === 'paper') return protocols.mnist;
  if (wanted !== 'none') return wanted;
  const border = size === 32 ? [{ name: 'pad' as const, pixels: (size - SIDE) / 2 }] : [];
  return { train: border, test: border };
}

function contentsOf({ full, embedded }: IdxSet, { edition }: Place): Contents | undefined {
  return edition === 'full' ? full : edition === 'embedded' ? embedded : undefined;
}

function countImages({ directory, remedy }: Place): Contents['length'] {
  const count = (split: SplitName) =>
    readIdxDimensions(pathIn(directory, IDX_FILES[split].images)!, { rank: 3, remedy })[0]!;
  return { train: count('train'), test: count('test') };
}

async function readSplit(set: IdxSet, files: FileSet, place: Place, split: SplitName): Promise<Split> {
  const { directory, remedy } = place;
  const read = async (name: FileName, rank: number) => {
    const path = pathIn(directory, name);
    if (path === undefined) requireFiles(files, directory); // it was there when the data set was made
    const value = contentsOf(set, place)?.sha256[name];
    const checksum = value && ({ algorithm: 'sha256', value } as const);
    return { path: path!, ...(await readIdx(path!, { rank, remedy, ...(checksum && { checksum }) })) };
  };
  const names = IDX_FILES[split];
  const [images, labels] = await Promise.all([read(names.images, 3), read(names.labels, 1)]);
  const [count, height, width] = images.dimensions;
  const corrupt = (path: string, problem: string) => new CorruptFileError(path, problem, remedy);
  if (height !== SIDE || width !== SIDE)
    throw corrupt(images.path, `has images of ${height} x ${width}, expected ${SIDE} x ${SIDE}`);
  if (labels.dimensions[0] !== count)
    throw corrupt(labels.path, `has ${labels.dimensions[0]} labels, but ${images.path} has ${count} images`);
  const wrong = labels.data.findIndex(label => label >= set.classes.length);
  if (wrong >= 0)
    throw corrupt(
      labels.path,
      `has label ${labels.data[wrong]} at index ${wrong}, expected 0 to ${set.classes.length - 1}`,
    );
  return { images: images.data, labels: labels.data };
}

function expected({ full }: IdxSet, name: FileName): ExpectedFile {
  const split: SplitName = name.startsWith('train') ? 'train' : 'test';
  const count = full.length[split];
  const bytes = name === IDX_FILES[split].images ? 16 + count * SIDE * SIDE : 8 + count;
  return { name: `${name}.gz`, checksum: { algorithm: 'sha256', value: full.sha256[name] }, bytes };
}
