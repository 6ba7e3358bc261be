/** Members of a small tar archive, gzipped or not, in memory. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Parser } from 'tar';
import { CorruptFileError } from './errors.js';

const MAX_MEMBERS_BYTES = 2 ** 30; // several times CIFAR; stops a bomb from filling memory

/**
 * @param wanted by the path in the archive
 * @throws CorruptFileError
 */
export async function readTarMembers(
  archive: string,
  wanted: (path: string) => boolean,
): Promise<Map<string, Uint8Array>> {
  const members = new Map<string, Uint8Array>();
  let bytes = 0;
  const parser = new Parser({ strict: true });
  parser.on('entry', entry => {
    if (!wanted(entry.path)) return entry.resume();
    bytes += entry.size;
    if (bytes > MAX_MEMBERS_BYTES) {
      parser.abort(new Error(`its members hold more than ${MAX_MEMBERS_BYTES} bytes`));
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
    throw new CorruptFileError(
      archive,
      `is not a sound tar archive (${(cause as Error).message})`,
      'get it again',
      { cause },
    );
  }
  return members;
}
