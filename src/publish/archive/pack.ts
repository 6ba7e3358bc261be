/** Packs a bundle as one `.tar.gz`: the same files give the same bytes. */
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { Header } from 'tar';
import { BLOCK } from '../../tar/header.js';
import type { Bytes } from '../manifest.js';
import { ARCHIVE_START, DIGEST_END, HEADER_BYTES } from './seal.js';
import { unpackLimit } from './unpackLimit.js';

/**
 * From so many bytes on it is weights that fill an archive, which shrink by a twelfth and take a second for 60 MB: they
 * are stored, and pass through piece by piece. Less is packed in memory.
 */
const WEIGHTS_BYTES = 128 * 2 ** 20;
/** A fixed moment (npm's), because 1970 makes tar programs warn. */
const MTIME = new Date('1985-10-26T08:15:00Z');
/** Of Node's own header, which is replaced, and of the CRC-32 and length at the end. */
const [PLAIN_HEADER_BYTES, TRAILER_BYTES] = [10, 8];
/** Of an archive that passes through, given out at once. */
const CHUNK_BYTES = 2 ** 20;

const gzip = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gzip);

/** Takes bytes of the archive for a position in it, at once or later. */
export type Sink = (bytes: Uint8Array, position: number) => Promise<unknown>;

/** @param files safe paths; packed in the order of their code units */
export async function packArchive(files: ReadonlyMap<string, Bytes>, sink: Sink): Promise<void> {
  const blocks = tarBlocks(files);
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  if (length >= WEIGHTS_BYTES) {
    const storing = zlib.createGzip({ level: 0, chunkSize: CHUNK_BYTES });
    return pipeline(blocks, storing, stored => seal(stored, sink));
  }
  let packed = await gzip(Buffer.concat(blocks), { level: 6 });
  // What would look like a bomb (a network of zeros) is stored as it is.
  if (length > unpackLimit(packed.length)) packed = await gzip(Buffer.concat(blocks), { level: 0 });
  return seal([packed], sink);
}

function tarBlocks(files: ReadonlyMap<string, Bytes>): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const header = new Header({
      path,
      size: bytes.byteLength,
      type: 'File',
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: MTIME,
    });
    header.encode();
    blocks.push(header.block!, bytes, new Uint8Array(-bytes.byteLength & (BLOCK - 1)));
  }
  blocks.push(new Uint8Array(2 * BLOCK)); // the end mark
  return blocks;
}

/** Puts our header in the place of gzip's: its digest is known, and so written, last. */
async function seal(packed: Iterable<Buffer> | AsyncIterable<Buffer>, sink: Sink): Promise<void> {
  const hash = createHash('sha256');
  let at = 0; // in gzip's own stream
  for await (const part of packed) {
    const data = part.subarray(Math.max(0, PLAIN_HEADER_BYTES - at));
    hash.update(data);
    if (data.length > 0) await sink(data, HEADER_BYTES + Math.max(0, at - PLAIN_HEADER_BYTES));
    at += part.length;
  }
  const header = new Uint8Array(HEADER_BYTES);
  header.set(ARCHIVE_START);
  header.set(hash.digest(), ARCHIVE_START.length);
  // Node 20.0 has no crc32 of its own, but gzip ends with one; the header's is its lower half.
  const checked = await gzip(header.subarray(0, DIGEST_END), {});
  header.set(checked.subarray(-TRAILER_BYTES, -TRAILER_BYTES + 2), DIGEST_END);
  await sink(header, 0);
}
