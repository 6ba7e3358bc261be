/** A folder a class: `train/CLASS/*.jpg`, `test/CLASS/*.jpg`. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { classFolders, filesByClass, splitOfFiles } from './encodedSplits.js';
import { type ImageDataset, imageDataset } from './images/stream.js';
import { viewShape, viewsFrom } from './viewOptions.js';

const ImageFolderOptions = z.strictObject({
  /** A folder with one folder a class, whose name is the class's; labels are their places in sorted order. */
  train: z.string().min(1),
  test: z.string().min(1),
  ...viewShape,
});
export type ImageFolderOptions = z.input<typeof ImageFolderOptions>;

/**
 * torchvision's `ImageFolder` for both splits, with its standard ImageNet transforms.
 * @throws OptionsError, DatasetNotFoundError; while reading, BadImageError
 */
export function imageFolder(options: ImageFolderOptions): ImageDataset {
  const where = 'datasets.imageFolder';
  const { train, test, ...views } = checkOptions(ImageFolderOptions, options, where);
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
    name: 'imageFolder',
    options: { ...options },
    source: `folders ${train} and ${test}`,
    licence: 'unknown',
    classes,
    train: splitOfFiles(filesByClass(train, classes, where)),
    test: splitOfFiles(testFiles.map(({ path, label }) => ({ path, label: present[label]! }))),
    ...viewsFrom(views),
  });
}
