/** Whether bytes are the right ones: their checksum, and what to say where it is another. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export interface Checksum {
  readonly algorithm: 'md5' | 'sha256';
  /** In hexadecimal. */
  readonly value: string;
}

const CHUNK_BYTES = 2 ** 20; // read at once

/** In hexadecimal. */
export function digestOf(algorithm: Checksum['algorithm'], contents: Uint8Array | string): string {
  return createHash(algorithm).update(contents).digest('hex');
}

/**
 * Of a file, read piece by piece.
 * @param options.onBytes is told how many bytes were read since it was told before
 */
export async function digestOfFile(
  algorithm: Checksum['algorithm'],
  path: string,
  {
    signal,
    onBytes,
  }: { readonly signal?: AbortSignal | undefined; readonly onBytes?: (bytes: number) => void } = {},
): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, signal })) {
    hash.update(chunk);
    onBytes?.(chunk.length);
  }
  return hash.digest('hex');
}

/** `'sha256 12ab..., not 34cd...'`; undefined where what was found is right. */
export function difference({ algorithm, value }: Checksum, found: string): string | undefined {
  return found === value ? undefined : `${algorithm} ${found}, not ${value}`;
}

/** `difference` from the digest of bytes. */
export function mismatch(checksum: Checksum, bytes: Uint8Array): string | undefined {
  return difference(checksum, digestOf(checksum.algorithm, bytes));
}
