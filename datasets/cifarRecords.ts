/** Reads CIFAR's records, labels before planes of red, green and blue, out of the binary files or the archive of them. */
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { mismatch } from './checksum.js';
import { type CifarSet, PLANE } from './cifarSets.js';
import { CorruptFileError } from './errors.js';
import { archiveIn, type Place, pathIn, requireFiles } from './fileSet.js';
import { readPlain, readPlainSync } from './gzip.js';
import type { Split, SplitName } from './inMemory.js';
import { readTarMembers, tarMemberSizes } from './readTar.js';

interface Part {
  readonly name: string;
  /** For messages. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Images of both splits, from the sizes of the files.
 * @throws CorruptFileError, CorruptArchiveError
 */
export function countRecords(set: CifarSet, place: Place): Record<SplitName, number> {
  const { splits, length } = set;
  const isLoose = [...splits.train, ...splits.test].every(name => pathIn(place.directory, name));
  const archive = archiveIn(set, place.directory);
  if (!isLoose && archive && statSync(archive).size === set.archive.bytes) return length; // checked when it is read
  const inside = isLoose ? undefined : byName(tarMemberSizes(archive!));
  const count = (split: SplitName) =>
    splits[split].reduce((images, name) => {
      const path = isLoose ? pathIn(place.directory, name)! : `${archive}:${name}`;
      const bytes = inside
        ? inside.get(name)
        : path.endsWith('.gz')
          ? readPlainSync(path).length
          : statSync(path).size;
      if (bytes === undefined) throw new CorruptFileError(archive!, `has no ${name}`, place.remedy);
      requireRecords(path, bytes, set.recordBytes, place.remedy);
      return images + bytes / set.recordBytes;
    }, 0);
  return { train: count('train'), test: count('test') };
}

/**
 * @param wanted.images how many there must be
 * @throws CorruptFileError, CorruptArchiveError, DatasetNotFoundError when the files have gone
 */
export async function readRecords(
  set: CifarSet,
  place: Place,
  wanted: { readonly split: SplitName; readonly labels: 'fine' | 'coarse'; readonly images: number },
): Promise<Split> {
  const parts = await readParts(set, place, wanted.split);
  for (const { name, path, bytes } of parts) {
    const expected = set.files.find(file => file.name === name)!;
    const other = place.edition === 'full' ? mismatch(expected.checksum, bytes) : undefined;
    if (other) throw new CorruptFileError(path, `has other contents than expected: ${other}`, place.remedy);
    requireRecords(path, bytes.length, set.recordBytes, place.remedy);
  }
  const images = parts.reduce((sum, { bytes }) => sum + bytes.length / set.recordBytes, 0);
  if (images !== wanted.images)
    throw new CorruptFileError(
      place.directory,
      `has ${images} images to ${wanted.split}, expected ${wanted.images}`,
      place.remedy,
    );
  return decode(set, parts, images, wanted.labels, place.remedy);
}

async function readParts(set: CifarSet, place: Place, split: SplitName): Promise<Part[]> {
  const { directory, remedy } = place;
  const names = set.splits[split];
  if (names.every(name => pathIn(directory, name)))
    return Promise.all(
      names.map(async name => {
        const path = pathIn(directory, name)!;
        return { name, path, bytes: await readPlain(path) };
      }),
    );
  requireFiles(set, directory); // they were there when the data set was made
  const archive = archiveIn(set, directory)!;
  const members = byName(await readTarMembers(archive, path => names.includes(basename(path))));
  return names.map(name => {
    const bytes = members.get(name);
    if (!bytes) throw new CorruptFileError(archive, `has no ${name}`, remedy);
    return { name, path: `${archive}:${name}`, bytes };
  });
}

function byName<Value>(members: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...members].map(([path, value]) => [basename(path), value]));
}

function requireRecords(path: string, bytes: number, record: number, remedy: string): void {
  if (bytes === 0 || bytes % record !== 0)
    throw new CorruptFileError(
      path,
      `has ${bytes} bytes, expected a multiple of ${record}, an image with its label`,
      remedy,
    );
}

/** From planes to interleaved pixels; all labels of a record are checked, whichever is wanted. */
function decode(
  set: CifarSet,
  parts: readonly Part[],
  count: number,
  wanted: 'fine' | 'coarse',
  remedy: string,
): Split {
  const images = new Uint8Array(count * 3 * PLANE);
  const labels = new Uint8Array(count);
  const labelBytes = set.recordBytes - 3 * PLANE;
  const own = set.labels[wanted]!;
  let image = 0;
  for (const { path, bytes } of parts) {
    for (let from = 0; from < bytes.length; from += set.recordBytes, image++) {
      for (const [kind, { offset, classes }] of Object.entries(set.labels)) {
        const label = bytes[from + offset]!;
        if (label >= classes.length)
          throw new CorruptFileError(
            path,
            `has ${kind === 'coarse' ? 'coarse ' : ''}label ${label} at byte ${from + offset}, expected 0 to ${classes.length - 1}`,
            remedy,
          );
      }
      labels[image] = bytes[from + own.offset]!;
      const pixels = from + labelBytes;
      const to = image * 3 * PLANE;
      for (let p = 0; p < PLANE; p++) {
        images[to + 3 * p] = bytes[pixels + p]!;
        images[to + 3 * p + 1] = bytes[pixels + PLANE + p]!;
        images[to + 3 * p + 2] = bytes[pixels + 2 * PLANE + p]!;
      }
    }
  }
  return { images, labels };
}
