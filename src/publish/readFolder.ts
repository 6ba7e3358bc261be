/** Reads a bundle's folder: every file is hashed while it is read, and only those that somebody will parse are kept. */
import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileDigest } from './contents.js';
import { UnsafeBundleError } from './errors.js';
import { type Bytes, MAX_BUNDLE_BYTES, MAX_ENTRIES } from './manifest.js';

/** Read at once of a file that is only hashed. */
const CHUNK_BYTES = 2 ** 20;

export interface Folder {
  /** Those that were kept, by path with `/` between folders. */
  readonly files: Map<string, Bytes>;
  /** Of all. */
  readonly digests: Map<string, FileDigest>;
}

/**
 * @param kept whether a file's bytes are wanted
 * @throws UnsafeBundleError for links and devices, and beyond the limits
 */
export async function readFolder(bundle: string, kept: (path: string) => boolean): Promise<Folder> {
  const files = new Map<string, Bytes>();
  const digests = new Map<string, FileDigest>();
  let entries = 0;
  let total = 0;
  const walk = async (folder: string): Promise<void> => {
    const inside = await readdir(join(bundle, folder), { withFileTypes: true });
    for (const entry of inside.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (++entries > MAX_ENTRIES)
        throw new UnsafeBundleError(bundle, path, `is beyond ${MAX_ENTRIES} entries`);
      if (entry.isDirectory()) await walk(path);
      else if (!entry.isFile()) {
        const problem = 'is a link or a device; only files and folders are allowed';
        throw new UnsafeBundleError(bundle, path, problem);
      } else {
        const { bytes, digest } = await readHashed(join(bundle, path), kept(path), size => {
          total += size;
          checkTotal(bundle, total);
        });
        digests.set(path, digest);
        if (bytes) files.set(path, bytes);
      }
    }
  };
  await walk('');
  return { files, digests };
}

/** @throws UnsafeBundleError */
export function checkTotal(bundle: string, bytes: number): void {
  if (bytes <= MAX_BUNDLE_BYTES) return;
  throw new UnsafeBundleError(
    bundle,
    'the bundle',
    `has more than ${MAX_BUNDLE_BYTES} bytes, no checkpoint does`,
  );
}

/** The next chunk is read while one is hashed. */
async function readHashed(
  path: string,
  kept: boolean,
  announce: (size: number) => void,
): Promise<{ bytes?: Bytes; digest: FileDigest }> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    announce(size);
    const whole = kept ? new Uint8Array(size) : undefined;
    const spare = whole ? [] : [0, 1].map(() => new Uint8Array(Math.min(size, CHUNK_BYTES)));
    const read = async (at: number): Promise<Uint8Array> => {
      const length = Math.min(CHUNK_BYTES, size - at);
      const chunk = whole?.subarray(at, at + length) ?? spare[(at / CHUNK_BYTES) % 2]!.subarray(0, length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(chunk, filled, length - filled, at + filled);
        if (bytesRead === 0) break; // became shorter meanwhile: the digest will say so
        filled += bytesRead;
      }
      return chunk.subarray(0, filled);
    };
    const hash = createHash('sha256');
    let next = read(0);
    for (let at = 0; at < size; at += CHUNK_BYTES) {
      const chunk = await next;
      if (at + CHUNK_BYTES < size) next = read(at + CHUNK_BYTES);
      hash.update(chunk);
    }
    await next;
    return { ...(whole && { bytes: whole }), digest: { bytes: size, sha256: hash.digest('hex') } };
  } finally {
    await handle.close();
  }
}
