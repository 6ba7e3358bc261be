/** What Node does otherwise than a browser: reading a file, hashing, unzipping. `#files` in package.json is this one there. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import zlib from 'node:zlib';
import { GunzipError } from './gunzip.js';

/** @param path of a file */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(path));
}

/** @returns 64 lower-case hexadecimal digits; twice as fast as WebCrypto's, which copies what it is given */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * @param limit bytes; more are not unpacked
 * @throws GunzipError for damage, for what unpacks to more, and for bytes after the end
 */
export async function gunzip(
  packed: Uint8Array<ArrayBuffer>,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const said = sizeSaid(packed);
  const stream = zlib.createGunzip({ chunkSize: CHUNK_BYTES });
  stream.end(packed);
  // As long as the file says that it will be, so that nothing is copied twice; one that lies is found out below.
  let bytes = new Uint8Array(said > limit ? 0 : said);
  let length = 0;
  try {
    for await (const part of stream as AsyncIterable<Uint8Array>) {
      const longer = length + part.length;
      if (longer > limit) throw GunzipError.tooLarge(packed.length, limit);
      // One that says too much is too large or damaged: it is unpacked to tell which, but not kept.
      if (said <= limit) {
        if (longer > bytes.length) bytes = grown(bytes, Math.min(limit, Math.max(longer, 2 * bytes.length)));
        bytes.set(part, length);
      }
      length = longer;
    }
  } catch (error) {
    throw error instanceof GunzipError ? error : GunzipError.damaged(error);
  }
  if (stream.bytesWritten !== packed.length) throw GunzipError.goesOn();
  return bytes.length === length ? bytes : bytes.slice(0, length);
}

const CHUNK_BYTES = 2 ** 20;

/** The last four bytes of a gzip (RFC 1952, ISIZE): the unpacked size. */
function sizeSaid(packed: Uint8Array<ArrayBuffer>): number {
  const last = packed.byteLength - 4;
  return last < 0 ? 0 : new DataView(packed.buffer, packed.byteOffset + last).getUint32(0, true);
}

function grown(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(length);
  longer.set(bytes);
  return longer;
}
