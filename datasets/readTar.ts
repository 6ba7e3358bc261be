/** Members of a small tar archive, gzipped or not, in memory. */
import { type TarEntry, walkTar } from './archives/tarIndex.js';
import { readPlain, readPlainSync } from './gzip.js';

const MAX_BYTES = 2 ** 30; // several times CIFAR; stops a bomb from filling memory

/**
 * The contents of its files, by their paths; views of one copy of the archive.
 * @param wanted by the path in the archive
 * @param maxBytes of the archive, uncompressed
 * @throws CorruptFileError, CorruptArchiveError
 */
export async function readTarMembers(
  archive: string,
  wanted: (path: string) => boolean,
  maxBytes = MAX_BYTES,
): Promise<Map<string, Uint8Array>> {
  const tar = await readPlain(archive, maxBytes);
  const members = filesIn(archive, tar).filter(({ path }) => wanted(path));
  return new Map(members.map(({ path, offset, bytes }) => [path, tar.subarray(offset, offset + bytes)]));
}

/**
 * The sizes of its files, by their paths, without their contents; at once, so for archives of some hundred megabytes.
 * @throws CorruptFileError, CorruptArchiveError
 */
export function tarMemberSizes(archive: string, maxBytes = MAX_BYTES): Map<string, number> {
  const tar = readPlainSync(archive, maxBytes);
  return new Map(filesIn(archive, tar).map(({ path, bytes }) => [path, bytes]));
}

function filesIn(archive: string, tar: Uint8Array): TarEntry[] {
  const files: TarEntry[] = [];
  const walk = walkTar(archive, 0, tar.length, file => files.push(file));
  for (let step = walk.next(); !step.done; ) {
    const { offset, bytes } = step.value;
    step = walk.next(tar.subarray(offset, offset + bytes));
  }
  return files;
}
