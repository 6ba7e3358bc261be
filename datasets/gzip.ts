/** Reads files that may be gzipped, within a bound of memory. */
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import zlib, { gunzipSync } from 'node:zlib';
import { CorruptFileError } from './errors.js';

const MAX_BYTES = 2 ** 30; // several times any file of a small data set; stops a bomb from filling memory

export const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip);

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The uncompressed contents.
 * @throws CorruptFileError
 */
export async function readPlain(path: string, maxBytes = MAX_BYTES): Promise<Uint8Array> {
  checkSize(path, maxBytes);
  const bytes = await readFile(path);
  if (!isGzip(bytes)) return bytes;
  return gunzip(bytes, { maxOutputLength: maxBytes }).catch(cause => {
    throw unsound(path, cause);
  });
}

/** `readPlain` at once, which takes a second for some hundred megabytes. */
export function readPlainSync(path: string, maxBytes = MAX_BYTES): Uint8Array {
  checkSize(path, maxBytes);
  const bytes = readFileSync(path);
  if (!isGzip(bytes)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw unsound(path, cause as Error);
  }
}

/** Before it is in memory, which takes 2 GiB at most. */
function checkSize(path: string, maxBytes: number): void {
  const { size } = statSync(path);
  if (size > maxBytes)
    throw new CorruptFileError(path, `has ${size} bytes, expected at most ${maxBytes}`, 'get the right file');
}

function unsound(path: string, cause: Error): CorruptFileError {
  return new CorruptFileError(path, `is not a sound gzip file (${cause.message})`, 'get it again', { cause });
}
