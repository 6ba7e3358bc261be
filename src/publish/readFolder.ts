/** Reads a bundle's folder: every file is hashed while it is read, and only those that somebody will parse are kept. */
import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileDigest } from './contents.js';
import { UnsafeBundleError } from './errors.js';
import { type Bytes, MAX_BUNDLE_BYTES, MAX_ENTRIES } from './manifest.js';

/** Read at once. */
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

/** Of as many bytes as the file has when it is opened: one that changes meanwhile has another digest. */
async function readHashed(
  path: string,
  kept: boolean,
  announce: (size: number) => void,
): Promise<{ bytes?: Bytes; digest: FileDigest }> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    announce(size);
    const bytes = kept ? new Uint8Array(size) : undefined;
    const hash = createHash('sha256');
    const chunks = size > 0 ? handle.createReadStream({ end: size - 1, highWaterMark: CHUNK_BYTES }) : [];
    let at = 0;
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes?.set(chunk, at);
      at += chunk.length;
    }
    return { ...(bytes && { bytes }), digest: { bytes: size, sha256: hash.digest('hex') } };
  } finally {
    await handle.close();
  }
}
