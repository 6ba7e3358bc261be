/** The files of an archive in columns, which a million of them need; also as bytes, for the cache. */
import { createHash } from 'node:crypto';
import { bytesOf } from '../../src/bytes.js';
import type { TarEntry } from './tarIndex.js';

/** Where every file of an archive lies. */
export interface ArchiveEntries {
  readonly length: number;
  path(row: number): string;
  /** Of its contents, from the start of the container. */
  offset(row: number): number;
  bytes(row: number): number;
}

interface Columns {
  readonly offsets: Float64Array;
  readonly bytes: Float64Array;
  /** Where each path ends in `paths`. */
  readonly ends: Uint32Array;
  /** UTF-8, one behind the other. */
  readonly paths: Buffer;
}

const MARK = Buffer.from('padezoo index 2\n');
const ORDER = 0x01020304; // reads differently where words are stored the other way round
const DIGEST_BYTES = 32;
const MAX_PATH_BYTES = 2 ** 16 - 1; // of two bytes each: what a path shares with the one before, and its rest

/** Gathers entries, in the order in which they come. */
export class EntriesBuilder {
  #length = 0;
  #offsets = new Float64Array(1024);
  #bytes = new Float64Array(1024);
  #ends = new Uint32Array(1024);
  #paths = Buffer.alloc(2 ** 15);

  get length(): number {
    return this.#length;
  }

  /** @param folder goes before the entry's path */
  add(entry: TarEntry, folder = ''): void {
    const row = this.#length++;
    if (row === this.#offsets.length) {
      this.#offsets = grown(this.#offsets, new Float64Array(2 * row));
      this.#bytes = grown(this.#bytes, new Float64Array(2 * row));
      this.#ends = grown(this.#ends, new Uint32Array(2 * row));
    }
    const path = folder + entry.path;
    const start = row === 0 ? 0 : this.#ends[row - 1]!;
    if (this.#paths.length < start + 3 * path.length)
      this.#paths = grown(this.#paths, Buffer.alloc(2 * (start + 3 * path.length)));
    this.#offsets[row] = entry.offset;
    this.#bytes[row] = entry.bytes;
    this.#ends[row] = start + this.#paths.write(path, start, 'utf8');
  }

  columns(): Columns {
    const length = this.#length;
    const ends = this.#ends.slice(0, length);
    return {
      offsets: this.#offsets.slice(0, length),
      bytes: this.#bytes.slice(0, length),
      ends,
      paths: this.#paths.subarray(0, ends.at(-1) ?? 0),
    };
  }
}

export function entriesOf({ offsets, bytes, ends, paths }: Columns): ArchiveEntries {
  return {
    length: ends.length,
    path: row => paths.toString('utf8', row === 0 ? 0 : ends[row - 1]!, ends[row]!),
    offset: row => offsets[row]!,
    bytes: row => bytes[row]!,
  };
}

/**
 * Neighbours' paths begin alike, so of each only the rest is written; a SHA-256 stands at the end.
 * @param stamp what the archive was when it was read
 */
export function encodeEntries(stamp: string, { offsets, bytes, ends, paths }: Columns): Buffer {
  const length = ends.length;
  const shared = new Uint16Array(length);
  const rest = new Uint16Array(length);
  const rests = Buffer.alloc(paths.length);
  let written = 0;
  for (let row = 0, before = 0, start = 0; row < length; row++) {
    const end = ends[row]!;
    const most = Math.min(start - before, end - start, MAX_PATH_BYTES);
    let same = 0;
    while (same < most && paths[before + same] === paths[start + same]) same++;
    if (end - start - same > MAX_PATH_BYTES) throw new RangeError('a path is too long for the index');
    shared[row] = same;
    rest[row] = end - start - same;
    written += paths.copy(rests, written, start + same, end);
    before = start;
    start = end;
  }
  const name = Buffer.from(stamp);
  const sizes = Uint32Array.of(ORDER, length, name.length, written);
  const parts = [MARK, bytesOf(sizes), bytesOf(offsets), bytesOf(bytes), bytesOf(shared), bytesOf(rest)];
  const body = Buffer.concat([...parts, name, rests.subarray(0, written)]);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

/** Undefined for anything but what `encodeEntries` wrote with that stamp. */
export function decodeEntries(file: Buffer, stamp: string): Columns | undefined {
  const body = file.subarray(0, Math.max(0, file.length - DIGEST_BYTES));
  if (!body.subarray(0, MARK.length).equals(MARK)) return undefined;
  if (!createHash('sha256').update(body).digest().equals(file.subarray(body.length))) return undefined;
  let at = MARK.length;
  const take = (bytes: number) => {
    at += bytes;
    return body.buffer.slice(body.byteOffset + at - bytes, body.byteOffset + at) as ArrayBuffer;
  };
  const [order, length, nameBytes, restBytes] = new Uint32Array(take(16)) as unknown as number[];
  if (order !== ORDER) return undefined;
  const offsets = new Float64Array(take(8 * length!));
  const bytes = new Float64Array(take(8 * length!));
  const shared = new Uint16Array(take(2 * length!));
  const rest = new Uint16Array(take(2 * length!));
  if (Buffer.from(take(nameBytes!)).toString() !== stamp) return undefined;
  return { offsets, bytes, ...joined(shared, rest, Buffer.from(take(restBytes!))) };
}

function joined(shared: Uint16Array, rest: Uint16Array, rests: Buffer): Pick<Columns, 'ends' | 'paths'> {
  const ends = new Uint32Array(shared.length);
  let total = 0;
  for (let row = 0; row < shared.length; row++) ends[row] = total += shared[row]! + rest[row]!;
  const paths = Buffer.allocUnsafe(total);
  for (let row = 0, before = 0, start = 0, from = 0; row < shared.length; row++) {
    let to = start;
    for (let i = 0; i < shared[row]!; i++) paths[to++] = paths[before + i]!;
    for (let i = 0; i < rest[row]!; i++) paths[to++] = rests[from++]!;
    before = start;
    start = to;
  }
  return { ends, paths };
}

function grown<Values extends Float64Array | Uint32Array | Uint8Array>(from: Values, to: Values): Values {
  to.set(from);
  return to;
}
