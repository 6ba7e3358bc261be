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
  const options = { maxOutputLength: limit, chunkSize: 2 ** 20, info: true };
  const { buffer, engine } = await new Promise<Unzipped>((resolve, reject) => {
    zlib.gunzip(packed, options, (error: NodeJS.ErrnoException | null, result) => {
      if (!error) resolve(result as unknown as Unzipped);
      else if (error.code === 'ERR_BUFFER_TOO_LARGE')
        reject(GunzipError.tooLarge(packed.length, limit, error));
      else reject(GunzipError.damaged(error));
    });
  });
  if (engine.bytesWritten !== packed.length) throw GunzipError.goesOn();
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}

/** What zlib gives with the option `info`. */
interface Unzipped {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}
