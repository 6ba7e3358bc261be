/** How our archives begin, so that one changed bit anywhere in them is seen. */
import { sha256 } from '#files';
import { hexOf } from '../../files/hex.js';
import type { Bytes } from '../manifest.js';

/**
 * A gzip header (RFC 1952) with no name, no time and an extra field `PZ` of 32 bytes: the SHA-256 of all that follows the
 * header. Then comes the header's own CRC-16. gzip's checksum alone does not see every flipped bit of compressed data:
 * some unpack to the same bytes. Other programs skip the field.
 */
export const ARCHIVE_START = Uint8Array.of(0x1f, 0x8b, 8, 6, 0, 0, 0, 0, 0, 0xff, 36, 0, 0x50, 0x5a, 32, 0);
export const DIGEST_END = ARCHIVE_START.length + 32;
export const HEADER_BYTES = DIGEST_END + 2;

/** False for an archive that another program made. */
export async function isSealBroken(archive: Bytes): Promise<boolean> {
  if (!ARCHIVE_START.every((byte, i) => archive[i] === byte)) return false;
  const digest = hexOf(archive.subarray(ARCHIVE_START.length, DIGEST_END));
  return digest !== (await sha256(archive.subarray(HEADER_BYTES)));
}
