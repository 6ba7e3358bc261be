/** Members of a small tar archive, gzipped or not, in memory. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Parser } from 'tar';
import { walkTar } from './archives/tarIndex.js';
import { CorruptFileError } from './errors.js';
import { readPlain } from './gzip.js';

const MAX_MEMBERS_BYTES = 2 ** 30; // several times CIFAR; stops a bomb from filling memory

/**
 * @param wanted by the path in the archive
 * @param maxBytes of all wanted together
 * @throws CorruptFileError
 */
export async function readTarMembers(
  archive: string,
  wanted: (path: string) => boolean,
  maxBytes = MAX_MEMBERS_BYTES,
): Promise<Map<string, Uint8Array>> {
  const members = new Map<string, Uint8Array>();
  let bytes = 0;
  const parser = new Parser({ strict: true });
  parser.on('entry', entry => {
    if (entry.type !== 'File' || !wanted(entry.path)) return entry.resume();
    bytes += entry.size;
    if (bytes > maxBytes) {
      parser.abort(new Error(`its members hold more than ${maxBytes} bytes`));
      return entry.resume();
    }
    const chunks: Uint8Array[] = [];
    entry.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    entry.on('end', () => members.set(entry.path, Buffer.concat(chunks)));
    return entry;
  });
  try {
    await pipeline(createReadStream(archive), parser as unknown as NodeJS.WritableStream);
  } catch (cause) {
    throw unsound(archive, cause);
  }
  return members;
}

/**
 * The sizes of its files, by their paths, without their contents; at once, so for archives of some hundred megabytes.
 * @throws CorruptFileError, CorruptArchiveError
 */
export function tarMemberSizes(archive: string, maxBytes = MAX_MEMBERS_BYTES): Map<string, number> {
  const sizes = new Map<string, number>();
  const tar = readPlain(archive, maxBytes);
  const walk = walkTar(archive, 0, tar.length, ({ path, bytes }) => sizes.set(path, bytes));
  for (let step = walk.next(); !step.done; ) {
    const { offset, bytes } = step.value;
    step = walk.next(tar.subarray(offset, offset + bytes));
  }
  return sizes;
}

function unsound(archive: string, cause: unknown): CorruptFileError {
  const problem = `is not a sound tar archive (${(cause as Error).message})`;
  return new CorruptFileError(archive, problem, 'get it again', { cause });
}
