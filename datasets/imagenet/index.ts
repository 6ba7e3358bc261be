/** ImageNet (ILSVRC2012), read in place from the official archives, from addresses or from folders. */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { checkOptions } from '../../src/options.js';
import { indexArchive } from '../archives/archiveIndex.js';
import { isAddress } from '../archives/read.js';
import {
  byCode,
  classFolders,
  filesByClass,
  imageEntries,
  imagesBelow,
  splitOfEntries,
  splitOfFiles,
} from '../encodedSplits.js';
import { CorruptFileError, DatasetNotFoundError } from '../errors.js';
import { type EncodedSplit, type ImageDataset, imageDataset } from '../images/stream.js';
import { readTarMembers } from '../readTar.js';
import { viewShape, viewsFrom } from '../viewOptions.js';
import { SYNSETS } from './synsets.js';

const WHERE = 'datasets.imagenet';
const GROUND_TRUTH = 'ILSVRC2012_validation_ground_truth.txt';

const ImageNetOptions = z.strictObject({
  /** `ILSVRC2012_img_train.tar` (a path or an address that answers range requests), or a folder with a folder a class. */
  train: z.string().min(1),
  /** `ILSVRC2012_img_val.tar`, a folder of its images, or a folder with a folder a class. */
  val: z.string().min(1),
  /** `ILSVRC2012_devkit_t12.tar.gz` or its `ILSVRC2012_validation_ground_truth.txt`; not needed for folders a class. */
  devkit: z.string().min(1).optional(),
  ...viewShape,
});
export type ImageNetOptions = z.input<typeof ImageNetOptions>;

/**
 * Labels are places in the sorted WordNet ids, as in torchvision, Keras and timm. The archives' indexes are built on the
 * first call, from their headers alone, and kept in padezoo's cache until an archive's size or time changes.
 * @throws OptionsError, DatasetNotFoundError, CorruptArchiveError, CorruptFileError; while reading, BadImageError
 */
export async function imagenet(options: ImageNetOptions): Promise<ImageDataset> {
  const { train, val, devkit, ...views } = checkOptions(ImageNetOptions, options, WHERE);
  const { wnids, split } = isFolder(train) ? trainFolder(train) : await trainArchive(train);
  const names = new Map(SYNSETS);
  return imageDataset({
    name: 'imagenet',
    options: { ...options },
    source: `${train} and ${val}`,
    licence: 'ImageNet terms of access: research and education only',
    classes: wnids.map(wnid => names.get(wnid) ?? wnid),
    train: split,
    test: await validation(val, devkit, wnids),
    ...viewsFrom(views),
  });
}

async function trainArchive(path: string): Promise<{ wnids: string[]; split: EncodedSplit }> {
  const index = await indexArchive(path, name => name.endsWith('.tar'));
  const wnidOf = (entryPath: string) => basename(entryPath.split('/', 1)[0]!, '.tar');
  const images = imageEntries(index);
  const wnids = [...new Set(images.map(({ entry }) => wnidOf(entry.path)))].sort(byCode);
  if (wnids.length === 0)
    throw new CorruptFileError(
      path,
      'holds no archives of images, one a class',
      'give ILSVRC2012_img_train.tar',
    );
  const labels = new Map(wnids.map((wnid, label) => [wnid, label]));
  return {
    wnids,
    split: splitOfEntries(
      images
        .map(image => ({ ...image, label: labels.get(wnidOf(image.entry.path))! }))
        .sort((a, b) => byCode(a.entry.path, b.entry.path)),
    ),
  };
}

function trainFolder(directory: string): { wnids: string[]; split: EncodedSplit } {
  const wnids = classFolders(directory, WHERE);
  return { wnids, split: splitOfFiles(filesByClass(directory, wnids, WHERE)) };
}

async function validation(
  val: string,
  devkit: string | undefined,
  wnids: readonly string[],
): Promise<EncodedSplit> {
  if (isFolder(val)) {
    const paths = imagesBelow(val, WHERE);
    const inFolders = paths.length > 0 && paths.every(path => wnids.includes(parentName(path)));
    if (inFolders) return splitOfFiles(paths.map(path => ({ path, label: wnids.indexOf(parentName(path)) })));
    paths.sort((a, b) => byCode(basename(a), basename(b)));
    const labels = await groundTruth(devkit, paths.length, wnids);
    return splitOfFiles(paths.map((path, i) => ({ path, label: labels[i]! })));
  }
  const images = imageEntries(await indexArchive(val));
  images.sort((a, b) => byCode(a.entry.path, b.entry.path)); // line i of the ground truth is the i-th name, not the i-th entry
  const labels = await groundTruth(devkit, images.length, wnids);
  return splitOfEntries(images.map((image, i) => ({ ...image, label: labels[i]! })));
}

/** Labels of the validation images in the order of their names; the file has ILSVRC2012_IDs, an order of its own. */
async function groundTruth(
  devkit: string | undefined,
  images: number,
  wnids: readonly string[],
): Promise<number[]> {
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
  const labels = new Map(wnids.map((wnid, label) => [wnid, label]));
  return lines.map((line, i) => {
    const synset = /^\d+$/.test(line) ? SYNSETS[Number(line) - 1] : undefined;
    if (!synset)
      throw corrupt(`has ${JSON.stringify(line)} in line ${i + 1}, expected an ILSVRC2012_ID from 1 to 1000`);
    const label = labels.get(synset[0]);
    if (label === undefined)
      throw corrupt(`has class ${synset[0]} in line ${i + 1}, which the training images have not`);
    return label;
  });
}

async function readGroundTruth(devkit: string): Promise<string> {
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

function parentName(path: string): string {
  return path.split('/').at(-2) ?? '';
}
