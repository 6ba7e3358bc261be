/** Files that may be gzipped. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { CorruptFileError } from './errors.js';

const MAX_BYTES = 2 ** 30; // several times any file of a small data set; stops a bomb from filling memory

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The uncompressed contents.
 * @throws CorruptFileError
 */
export function readPlain(path: string, maxBytes = MAX_BYTES): Uint8Array {
  const bytes = readFileSync(path);
  if (!isGzip(bytes)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    const problem = `is not a sound gzip file (${(cause as Error).message})`;
    throw new CorruptFileError(path, problem, 'get it again', { cause });
  }
}
