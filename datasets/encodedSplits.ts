/** Splits of encoded images: from the entries of archives, and from folders. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ArchiveIndex } from './archives/archiveIndex.js';
import type { TarEntry } from './archives/tarIndex.js';
import { DatasetNotFoundError } from './errors.js';
import type { EncodedSplit } from './images/stream.js';

/** As torchvision's `IMG_EXTENSIONS`, of those that sharp reads. */
const IMAGE = /\.(jpe?g|png|webp|tiff?|gif|avif)$/i;

export function isImage(path: string): boolean {
  return IMAGE.test(path) && !basename(path).startsWith('.');
}

export interface LabelledEntry {
  readonly container: string;
  readonly entry: TarEntry;
  readonly label: number;
}

export function splitOfEntries(images: readonly LabelledEntry[]): EncodedSplit {
  return {
    length: images.length,
    location: row => {
      const { container, entry } = images[row]!;
      return { container, offset: entry.offset, bytes: entry.bytes };
    },
    label: row => images[row]!.label,
    describe: row => `${images[row]!.container}: ${images[row]!.entry.path}`,
  };
}

export function splitOfFiles(
  files: readonly { readonly path: string; readonly label: number }[],
): EncodedSplit {
  return {
    length: files.length,
    location: row => ({ container: files[row]!.path, offset: 0, bytes: null }),
    label: row => files[row]!.label,
    describe: row => files[row]!.path,
  };
}

/** The sub-folders of a folder, sorted: each is a class. */
export function classFolders(directory: string, where: string): string[] {
  const names = readFolder(directory, where)
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort(byCode);
  if (names.length === 0)
    throw new DatasetNotFoundError(
      where,
      [directory],
      `${where}: ${directory} has no folders; it must have one a class, with the images inside`,
    );
  return names;
}

/** The images in one folder a class, class by class, each sorted by name; folders inside are searched too. */
export function filesByClass(directory: string, classes: readonly string[], where: string) {
  return classes.flatMap((name, label) =>
    imagesBelow(join(directory, name), where).map(path => ({ path, label })),
  );
}

/** Sorted as torchvision does: by folder, then by name. */
export function imagesBelow(directory: string, where: string): string[] {
  const entries = readFolder(directory, where).sort((a, b) => byCode(a.name, b.name));
  const own = entries.filter(entry => !entry.isDirectory() && isImage(entry.name));
  const below = entries.filter(entry => entry.isDirectory());
  return [
    ...own.map(entry => join(directory, entry.name)),
    ...below.flatMap(entry => imagesBelow(join(directory, entry.name), where)),
  ];
}

function readFolder(directory: string, where: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    throw new DatasetNotFoundError(
      where,
      [directory],
      `${where}: cannot read ${directory} (${(cause as Error).message})`,
    );
  }
}

/** The order of Python's `sorted`, on which labels depend. */
export function byCode(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** The image entries of an archive. */
export function imageEntries({ container, entries }: ArchiveIndex): { container: string; entry: TarEntry }[] {
  return entries.filter(entry => isImage(entry.path)).map(entry => ({ container, entry }));
}
