/** A folder a class: `train/CLASS/*.jpg`, `test/CLASS/*.jpg`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { classFolders, filesByClass, splitOfFiles, TEST_NAMES } from './encodedSplits.js';
import { DatasetNotFoundError } from './errors.js';
import { type ImageDataset, imageDataset } from './images/imageDataset.js';
import { viewShape, viewsFrom } from './viewOptions.js';

const ImageFolderOptions = z
  .strictObject({
    /** A folder with the folder `train` and one of `test`, `val` and `validation`. */
    directory: z.string().min(1).optional(),
    /** A folder with one folder a class, whose name is the class's; labels are their places in sorted order. */
    train: z.string().min(1).optional(),
    test: z.string().min(1).optional(),
    ...viewShape,
  })
  .refine(({ directory, train, test }) => (directory === undefined ? train && test : !train && !test), {
    error: 'give either directory, or train and test',
  });
export type ImageFolderOptions = z.input<typeof ImageFolderOptions>;

/**
 * torchvision's `ImageFolder` for both splits, with its standard ImageNet transforms.
 * @throws OptionsError, DatasetNotFoundError; while reading, BadImageError
 */
export function imageFolder(options: ImageFolderOptions): ImageDataset {
  const where = 'datasets.imageFolder';
  const {
    directory,
    train: ownTrain,
    test: ownTest,
    ...views
  } = checkOptions(ImageFolderOptions, options, where);
  const { train, test } =
    directory === undefined ? { train: ownTrain!, test: ownTest! } : splitFolders(directory, where);
  const classes = classFolders(train, where);
  const unknown = classFolders(test, where).filter(name => !classes.includes(name));
  if (unknown.length > 0)
    throw new OptionsError(
      `${where}: ${test} has classes that ${train} has not: ${unknown.slice(0, 5).join(', ')}`,
    );
  const inTest = new Set(classFolders(test, where));
  const testFiles = filesByClass(
    test,
    classes.filter(name => inTest.has(name)),
    where,
  );
  const present = classes.filter(name => inTest.has(name)).map(name => classes.indexOf(name));
  return imageDataset({
    name: 'folder',
    where,
    options: { ...options },
    source: `folders ${train} and ${test}`,
    licence: 'unknown',
    classes,
    train: splitOfFiles(filesByClass(train, classes, where)),
    test: splitOfFiles(testFiles.map(({ path, label }) => ({ path, label: present[label]! }))),
    ...viewsFrom(views),
  });
}

function splitFolders(directory: string, where: string): { train: string; test: string } {
  const find = (names: readonly string[]) => names.map(name => join(directory, name)).find(existsSync);
  const [train, test] = [find(['train']), find(TEST_NAMES)];
  if (train && test) return { train, test };
  throw new DatasetNotFoundError(
    'folder',
    [directory],
    `${where}: ${directory} has no folder ${train ? TEST_NAMES.join(', ') : 'train'}; it must have one to train and one to test`,
  );
}
