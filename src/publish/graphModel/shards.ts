/** Weights as files of equal size, the last one no larger: stock tfjs 4.22 reads zeros, without an error, when it is. */
import type { Bytes } from '../manifest.js';

/** What browsers cache as one file; tfjs's own converter's size. */
export const SHARD_BYTES = 4 * 2 ** 20;

/** @returns the files' names in order, and their bytes */
export function shards(parts: readonly Uint8Array[]): { paths: string[]; files: Map<string, Bytes> } {
  const total = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const count = Math.max(1, Math.ceil(total / SHARD_BYTES));
  const joined = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  const files = new Map<string, Bytes>();
  for (let i = 0; i < count; i++) {
    const name = `group1-shard${i + 1}of${count}.bin`;
    files.set(name, joined.subarray(i * SHARD_BYTES, Math.min(total, (i + 1) * SHARD_BYTES)));
  }
  return { paths: [...files.keys()], files };
}
