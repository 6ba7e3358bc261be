/** ImageNet (ILSVRC2012), read in place from the official archives, from addresses or from folders. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { OptionsError } from '../../src/errors.js';
import { checkOptions } from '../../src/options.js';
import { Task } from '../../src/task.js';
import { indexArchive } from '../archives/archiveIndex.js';
import { md5OfArchive } from '../archives/md5.js';
import type { ArchiveProgress } from '../archives/progress.js';
import { isAddress } from '../archives/read.js';
import { difference } from '../checksum.js';
import {
  byCode,
  classFolders,
  filesByClass,
  imagesBelow,
  sortedImages,
  splitOfEntries,
  splitOfFiles,
} from '../encodedSplits.js';
import { CorruptFileError, DatasetNotFoundError } from '../errors.js';
import { type ImageDataset, imageDataset } from '../images/imageDataset.js';
import type { EncodedSplit } from '../images/stream.js';
import { readTarMembers } from '../readTar.js';
import { viewShape, viewsFrom } from '../viewOptions.js';
import { GROUND_TRUTH, OFFICIAL_MD5, officialPlaces, type Role } from './official.js';
import { SYNSETS } from './synsets.js';

const WHERE = 'datasets.imagenet';

const md5 = z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 hexadecimal digits');
const ImageNetOptions = z
  .strictObject({
    /** A folder with the official archives, or with what they were unpacked to, under their official names. */
    directory: z.string().min(1).optional(),
    /** `ILSVRC2012_img_train.tar` (a path or an address that answers range requests), or a folder with a folder a class. */
    train: z.string().min(1).optional(),
    /** `ILSVRC2012_img_val.tar`, a folder of its images, or a folder with a folder a class. */
    val: z.string().min(1).optional(),
    /** `ILSVRC2012_devkit_t12.tar.gz` or its `ILSVRC2012_validation_ground_truth.txt`; not needed for folders a class. */
    devkit: z.string().min(1).optional(),
    /**
     * `'md5'`: the archives must have the official checksums, or those that are given; each is read whole once, and again
     * only when its size or time has changed.
     */
    verify: z
      .union([
        z.enum(['none', 'md5']),
        z.strictObject({ train: md5.optional(), val: md5.optional(), devkit: md5.optional() }),
      ])
      .default('none'),
    ...viewShape,
  })
  .refine(({ directory, train, val }) => (directory === undefined ? train && val : !train && !val), {
    error: 'give either directory, or train and val',
  });
export type ImageNetOptions = z.input<typeof ImageNetOptions>;
type Checked = z.output<typeof ImageNetOptions>;

/** Sub-generators tell how far they are and return what they make. */
type Work<Result> = AsyncGenerator<ArchiveProgress, Result, void>;

/**
 * Labels are places in the sorted WordNet ids, as in torchvision, Keras and timm. The archives' indexes are built on the
 * first call, from their headers alone, and kept in padezoo's cache until an archive's size or time changes. Await the task
 * for the data set, or loop over its progress.
 * @throws OptionsError, DatasetNotFoundError, CorruptArchiveError, CorruptFileError, AddressError; while reading,
 *   BadImageError
 */
export function imagenet(options: ImageNetOptions): Task<ArchiveProgress, ImageDataset> {
  const checked = checkOptions(ImageNetOptions, options, WHERE);
  return new Task(() => open(checked, options));
}

async function* open(checked: Checked, options: ImageNetOptions): Work<ImageDataset> {
  const { directory, train, val, devkit, verify, ...views } = checked;
  const found = directory === undefined ? { train: train!, val: val! } : officialPlaces(directory, WHERE);
  const places = { ...found, ...(devkit !== undefined && { devkit }) };
  yield* verified(places, verify);
  const training = isFolder(places.train) ? trainFolder(places.train) : yield* trainArchive(places.train);
  const wnids = [...training.classes.keys()];
  const names = new Map(SYNSETS);
  return imageDataset({
    name: 'imagenet',
    where: WHERE,
    options: { ...options },
    source: `${places.train} and ${places.val}`,
    licence: 'ImageNet terms of access: research and education only',
    classes: wnids.map(wnid => names.get(wnid) ?? wnid),
    train: training.split,
    test: yield* validation(places.val, places.devkit, training.classes),
    ...viewsFrom(views),
  });
}

/** @throws OptionsError for what has no checksum, CorruptFileError for another one */
async function* verified(places: { [Each in Role]?: string }, verify: Checked['verify']): Work<void> {
  if (verify === 'none') return;
  const sums: { [Each in Role]?: string | undefined } = verify === 'md5' ? OFFICIAL_MD5 : verify;
  const roles = (Object.keys(sums) as Role[]).filter(role => sums[role] !== undefined);
  for (const role of roles) {
    const path = places[role];
    if (role === 'devkit' && verify === 'md5' && !path?.endsWith('.tar.gz')) continue; // only the archive has a sum
    if (path === undefined || isAddress(path) || isFolder(path))
      throw new OptionsError(
        `${WHERE}: verify needs ${role} to be an archive on this machine, got ${path ?? 'nothing'}; give its path, or leave out verify`,
      );
    const other = difference({ algorithm: 'md5', value: sums[role]! }, yield* md5OfArchive(path));
    if (other) throw new CorruptFileError(path, `has ${other}`, 'get the archive again');
  }
}

/** By WordNet id, in the ids' order. */
type Labels = ReadonlyMap<string, number>;

interface Training {
  readonly classes: Labels;
  readonly split: EncodedSplit;
}

/** @param wnids sorted */
function labelsOf(wnids: readonly string[]): Labels {
  return new Map(wnids.map((wnid, label) => [wnid, label]));
}

async function* trainArchive(path: string): Work<Training> {
  const archive = yield* indexArchive(path, 'nested');
  const { entries, paths } = sortedImages(archive);
  const folders = paths.map(image => basename(image.split('/', 1)[0]!, '.tar'));
  const wnids = [...new Set(folders)].sort(byCode);
  if (wnids.length === 0 || paths.some(image => !image.includes('.tar/')))
    throw new CorruptFileError(
      path,
      wnids.length === 0
        ? 'holds no archives of images, one a class'
        : 'holds images outside of the archives of the classes',
      'give ILSVRC2012_img_train.tar',
    );
  const classes = labelsOf(wnids);
  const labels = Uint16Array.from(folders, wnid => classes.get(wnid)!);
  return { classes, split: splitOfEntries([{ archive, entries, labels }]) };
}

function trainFolder(directory: string): Training {
  const wnids = classFolders(directory, WHERE);
  return { classes: labelsOf(wnids), split: splitOfFiles(filesByClass(directory, wnids, WHERE)) };
}

async function* validation(val: string, devkit: string | undefined, classes: Labels): Work<EncodedSplit> {
  // Line i of the ground truth is the i-th name, not the i-th entry or file.
  if (isFolder(val)) {
    const paths = imagesBelow(val, WHERE).sort((a, b) => byCode(basename(a), basename(b)));
    const labels = labelsByFolder(paths, classes) ?? (await groundTruth(devkit, paths.length, classes));
    return splitOfFiles(paths.map((path, i) => ({ path, label: labels[i]! })));
  }
  const archive = yield* indexArchive(val);
  const { entries, paths } = sortedImages(archive);
  const labels = labelsByFolder(paths, classes) ?? (await groundTruth(devkit, paths.length, classes));
  return splitOfEntries([{ archive, entries, labels }]);
}

/** Undefined unless every image lies in the folder of its class. */
function labelsByFolder(paths: readonly string[], classes: Labels): number[] | undefined {
  const labels = paths.map(path => classes.get(path.split('/').at(-2) ?? ''));
  return labels.length > 0 && labels.every(label => label !== undefined) ? labels : undefined;
}

/** Labels of the validation images in the order of their names; the file has ILSVRC2012_IDs, an order of its own. */
async function groundTruth(devkit: string | undefined, images: number, classes: Labels): Promise<number[]> {
  if (devkit === undefined)
    throw new DatasetNotFoundError(
      'imagenet',
      [],
      `${WHERE}: the validation images' names say nothing of their classes; give devkit: 'ILSVRC2012_devkit_t12.tar.gz' or its ${GROUND_TRUTH}`,
    );
  const text = await readGroundTruth(devkit);
  const lines = text.trim().split(/\s+/);
  const corrupt = (problem: string) => new CorruptFileError(devkit, problem, 'get the development kit again');
  if (lines.length !== images)
    throw corrupt(`has ${lines.length} labels, but there are ${images} validation images`);
  return lines.map((line, i) => {
    const synset = /^\d+$/.test(line) ? SYNSETS[Number(line) - 1] : undefined;
    if (!synset)
      throw corrupt(`has ${JSON.stringify(line)} in line ${i + 1}, expected an ILSVRC2012_ID from 1 to 1000`);
    const label = classes.get(synset[0]);
    if (label === undefined)
      throw corrupt(`has class ${synset[0]} in line ${i + 1}, which the training images have not`);
    return label;
  });
}

async function readGroundTruth(devkit: string): Promise<string> {
  if (!existsSync(devkit))
    throw new DatasetNotFoundError('imagenet', [devkit], `${WHERE}: there is no ${devkit}`);
  if (!/\.tar(\.gz)?$|\.tgz$/.test(devkit)) return readFileSync(devkit, 'utf8');
  const members = await readTarMembers(devkit, path => path.endsWith(GROUND_TRUTH));
  const [contents] = members.values();
  if (!contents)
    throw new CorruptFileError(devkit, `has no ${GROUND_TRUTH}`, 'give ILSVRC2012_devkit_t12.tar.gz');
  return Buffer.from(contents).toString();
}

function isFolder(path: string): boolean {
  return !isAddress(path) && (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
}
