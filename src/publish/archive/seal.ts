/** How our archives begin, so that one changed bit anywhere in them is seen, and what all archives are held to. */
import { type Bytes, MAX_BUNDLE_BYTES, MAX_ENTRIES } from '../manifest.js';
import { sha256 } from '../sha256.js';

export const BLOCK = 512;
/** Weights shrink by a tenth, JSON and SVG to a fifth; a bomb is 1000 to 1. */
const MAX_RATIO = 100;
/** Bytes that may be unpacked at any ratio: too few to hurt. */
const FREE_BYTES = 64 * 2 ** 20;

/**
 * A gzip header (RFC 1952) with no name, no time and an extra field `PZ` of 32 bytes: the SHA-256 of all that follows the
 * header. Then comes the header's own CRC-16. gzip's checksum alone does not see every flipped bit of compressed data:
 * some unpack to the same bytes. Other programs skip the field.
 */
export const ARCHIVE_START = Uint8Array.of(0x1f, 0x8b, 8, 6, 0, 0, 0, 0, 0, 0xff, 36, 0, 0x50, 0x5a, 32, 0);
export const DIGEST_END = ARCHIVE_START.length + 32;
export const HEADER_BYTES = DIGEST_END + 2;

/** Most bytes that an archive of so many may unpack to. */
export const unpackLimit = (packedBytes: number): number =>
  Math.min(MAX_BUNDLE_BYTES + 2 * BLOCK * MAX_ENTRIES, Math.max(FREE_BYTES, MAX_RATIO * packedBytes));

/** False for an archive that another program made. */
export async function isSealBroken(archive: Bytes): Promise<boolean> {
  if (!ARCHIVE_START.every((byte, i) => archive[i] === byte)) return false;
  const digest = Array.from(archive.subarray(ARCHIVE_START.length, DIGEST_END), byte =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
  return digest !== (await sha256(archive.subarray(HEADER_BYTES)));
}
