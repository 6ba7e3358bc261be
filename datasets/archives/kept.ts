/** What was found out about an archive, kept in padezoo's cache until the archive changes. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { digestOf } from '../checksum.js';
import { DatasetNotFoundError } from '../errors.js';
import { cacheDirectory } from '../places.js';
import type { ArchiveProgress } from './progress.js';
import { describeAddress, isAddress } from './read.js';

/** How a finding is written to a file; `stamp` is what the archive was when it was read. */
export interface Form<Finding> {
  /** How the file's name ends. */
  readonly ending: string;
  encode(stamp: string, finding: Finding): Buffer | string;
  /** undefined, or a throw, for what `encode` did not write with that stamp. */
  decode(file: Buffer, stamp: string): Finding | undefined;
}

/**
 * What is kept, or else what `find` finds.
 * @param place an absolute path, or an address
 * @param find is told how many bytes the archive has
 * @throws DatasetNotFoundError, AddressError, and what `find` throws
 */
export async function* kept<Finding>(
  place: string,
  form: Form<Finding>,
  find: (bytes: number) => AsyncGenerator<ArchiveProgress, Finding, void>,
): AsyncGenerator<ArchiveProgress, Finding, void> {
  const { bytes, stamp } = await describeArchive(place);
  const name = `${digestOf('sha256', place).slice(0, 16)}.${form.ending}`;
  const path = join(cacheDirectory(), 'indexes', name);
  const known = read(path, stamp, form);
  if (known !== undefined) return known;
  const finding = yield* find(bytes);
  await write(path, () => form.encode(stamp, finding));
  return finding;
}

/** Its size, and what changes when it does. */
async function describeArchive(place: string): Promise<{ bytes: number; stamp: string }> {
  if (isAddress(place)) {
    const { bytes, version } = await describeAddress(place);
    return { bytes, stamp: `${bytes} ${version}` };
  }
  try {
    const { size, mtimeMs } = statSync(place);
    return { bytes: size, stamp: `${size} ${mtimeMs}` };
  } catch (cause) {
    throw new DatasetNotFoundError(
      'archive',
      [place],
      `datasets: there is no archive ${place} (${(cause as Error).message})`,
    );
  }
}

function read<Finding>(path: string, stamp: string, form: Form<Finding>): Finding | undefined {
  try {
    return form.decode(readFileSync(path), stamp);
  } catch {
    return undefined; // it is found out again
  }
}

async function write(path: string, encode: () => Buffer | string): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    await writeFileAtomic(path, encode());
  } catch {
    // A cache that cannot be written costs time when the archive is opened again, and nothing else.
  }
}
