/** What a browser does otherwise than Node: reading a file, over HTTP, hashing, unzipping; `#files` is this one there. */

import { PadezooError } from '../errors.js';
import { readWhole } from '../parts.js';
import { GunzipError } from './gunzip.js';
import { hexOf } from './hex.js';

/** @param url absolute, or relative to the page */
export async function readBytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok)
    throw new PadezooError(`${url}: the server answers ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * @returns 64 lower-case hexadecimal digits
 * @throws PadezooError on a page that is neither https: nor localhost, to which browsers give no WebCrypto
 */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const { subtle } = globalThis.crypto;
  if (!subtle)
    throw new PadezooError(
      `SHA-256 cannot be calculated on ${globalThis.location?.origin}: browsers have it on https: and localhost pages only; serve the page from one`,
    );
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return hexOf(digest);
}

/**
 * @param limit bytes; more are not unpacked
 * @throws GunzipError for damage, for what unpacks to more, and for bytes after the end
 */
export async function gunzip(
  packed: Uint8Array<ArrayBuffer>,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  try {
    return await readWhole(stream, limit, () => GunzipError.tooLarge(packed.length, limit));
  } catch (error) {
    throw error instanceof GunzipError ? error : GunzipError.damaged(error);
  }
}
