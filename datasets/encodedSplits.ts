/** Splits of encoded images: from the entries of archives, and from folders. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ArchiveIndex } from './archives/archiveIndex.js';
import { CorruptFileError, DatasetNotFoundError } from './errors.js';
import type { EncodedSplit } from './images/stream.js';

/** What the second split is called, in the order in which they are tried. */
export const TEST_NAMES = ['test', 'val', 'validation'] as const;

/** As torchvision's `IMG_EXTENSIONS`, of those that sharp reads. */
const IMAGE = /\.(jpe?g|png|webp|tiff?|gif|avif)$/i;

export function isImage(path: string): boolean {
  return IMAGE.test(path) && !basename(path).startsWith('.');
}

/** Some entries of an archive, with their labels. */
export interface LabelledEntries {
  readonly archive: ArchiveIndex;
  readonly entries: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}

/** The images of several archives, one archive after the other. */
export function splitOfEntries(parts: readonly LabelledEntries[]): EncodedSplit {
  let length = 0;
  const starts = parts.map(({ entries }) => {
    length += entries.length;
    return length - entries.length;
  });
  const find = (row: number) => {
    let [low, high] = [0, parts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= row) low = middle;
      else high = middle - 1;
    }
    const { archive, entries, labels } = parts[low]!;
    const own = row - starts[low]!;
    return { archive, entry: entries[own]!, label: labels[own]! };
  };
  return {
    length,
    location: row => {
      const { archive, entry } = find(row);
      return {
        container: archive.container,
        offset: archive.offset(entry),
        bytes: archive.bytes(entry),
      };
    },
    label: row => find(row).label,
    describe: row => {
      const { archive, entry } = find(row);
      return `${archive.container}: ${archive.path(entry)}`;
    },
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

/**
 * The image entries of an archive, and their paths, sorted by path.
 * @throws CorruptFileError when two have one path
 */
export function sortedImages(archive: ArchiveIndex): { entries: Uint32Array; paths: string[] } {
  const images: { entry: number; path: string }[] = [];
  for (let entry = 0; entry < archive.length; entry++) {
    const path = archive.path(entry);
    if (isImage(path)) images.push({ entry, path });
  }
  images.sort((a, b) => byCode(a.path, b.path));
  for (let i = 1; i < images.length; i++)
    if (images[i]!.path === images[i - 1]!.path)
      throw new CorruptFileError(archive.container, `has ${images[i]!.path} twice`, 'pack it again');
  return { entries: Uint32Array.from(images, ({ entry }) => entry), paths: images.map(({ path }) => path) };
}
