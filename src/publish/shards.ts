/** Weights as files of equal size, the last one no larger: stock tfjs 4.22 reads zeros, without an error, when it is. */
import { joined } from '../parts.js';
import { CorruptBundleError } from './errors.js';
import type { Bytes } from './manifest.js';

/** What browsers cache as one file; tfjs's own converter's size. */
export const SHARD_BYTES = 4 * 2 ** 20;

/**
 * The files of one set of weights, in order.
 * @param single what the file is called when there is but one
 */
export function shardNames(count: number, single = 'group1-shard1of1.bin'): string[] {
  return count === 1
    ? [single]
    : Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
}

/** @returns the files' names in order, and their bytes */
export function shards(
  parts: readonly Uint8Array[],
  single?: string,
): { paths: string[]; files: Map<string, Bytes> } {
  const bytes = joined(Uint8Array, parts);
  const paths = shardNames(Math.max(1, Math.ceil(bytes.byteLength / SHARD_BYTES)), single);
  const files = paths.map(
    (path, i) => [path, bytes.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES)] as const,
  );
  return { paths, files: new Map(files) };
}

/**
 * The shards of a folder one after the other.
 * @throws CorruptBundleError for one that is missing, and for sizes that tfjs misreads
 */
export function joinShards(
  bundle: string,
  files: ReadonlyMap<string, Bytes>,
  folder: string,
  paths: readonly string[],
): Bytes {
  const given = paths.map(path => {
    const bytes = files.get(`${folder}/${path}`);
    if (!bytes)
      throw new CorruptBundleError(bundle, `${folder}/${path}`, 'is missing; get the checkpoint again');
    return bytes;
  });
  const size = given[0]!.byteLength;
  given.forEach((shard, i) => {
    const last = i === given.length - 1;
    if (last ? shard.byteLength <= size : shard.byteLength === size) return;
    const problem = `has ${shard.byteLength} bytes, the first shard ${size}: tfjs reads zeros when shards differ (only the last may be smaller)`;
    throw new CorruptBundleError(bundle, `${folder}/${paths[i]}`, problem);
  });
  return given.length === 1 ? given[0]! : joined(Uint8Array, given);
}
