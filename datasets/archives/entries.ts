/** The files of an archive in columns, which a million of them need; also as bytes, for the cache. */
import { createHash } from 'node:crypto';
import { bytesOf } from '../../src/bytes.js';
import { CorruptFileError } from '../errors.js';
import { MAX_ENTRIES, type TarEntry } from './tarIndex.js';

/** Where every file of an archive lies. */
export interface ArchiveEntries {
  readonly length: number;
  path(row: number): string;
  /** Of its contents, from the start of the container. */
  offset(row: number): number;
  bytes(row: number): number;
}

export interface Columns {
  readonly offsets: Float64Array;
  readonly bytes: Float64Array;
  /** Where each path ends in `paths`. */
  readonly ends: Uint32Array;
  /** UTF-8, one behind the other. */
  readonly paths: Buffer;
}

const MARK = Buffer.from('padezoo index 3\n');
const ORDER = 0x01020304; // reads differently where words are stored the other way round
const DIGEST_BYTES = 32;
const MAX_PATHS_BYTES = 2 ** 30; // twenty times ImageNet's; stops names from filling memory

/** Gathers entries, in the order in which they come. */
export class EntriesBuilder {
  #length = 0;
  #offsets = new Float64Array(1024);
  #bytes = new Float64Array(1024);
  #ends = new Uint32Array(1024);
  #paths = Buffer.alloc(2 ** 15);

  /** @param archive for messages */
  constructor(readonly archive: string) {}

  /**
   * @param folder goes before the entry's path
   * @throws CorruptFileError where there are too many, or their paths are too long together
   */
  add(entry: TarEntry, folder = ''): void {
    if (this.#length === MAX_ENTRIES) throw this.#tooMuch();
    const row = this.#length++;
    const path = folder + entry.path;
    const start = row === 0 ? 0 : this.#ends[row - 1]!;
    if (row === this.#offsets.length) {
      this.#offsets = grown(this.#offsets, new Float64Array(2 * row));
      this.#bytes = grown(this.#bytes, new Float64Array(2 * row));
      this.#ends = grown(this.#ends, new Uint32Array(2 * row));
    }
    if (this.#paths.length < start + 3 * path.length)
      this.#paths = grown(this.#paths, Buffer.alloc(2 * (start + 3 * path.length)));
    this.#offsets[row] = entry.offset;
    this.#bytes[row] = entry.bytes;
    const end = start + this.#paths.write(path, start, 'utf8');
    if (end > MAX_PATHS_BYTES) throw this.#tooMuch();
    this.#ends[row] = end;
  }

  #tooMuch(): CorruptFileError {
    return new CorruptFileError(
      this.archive,
      `has more than ${MAX_ENTRIES} files, or paths of more than ${MAX_PATHS_BYTES} bytes together`,
      'no data set does; get the archive again',
    );
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
 * A SHA-256 stands at the end.
 * @param stamp what the archive was when it was read
 */
export function encodeEntries(stamp: string, { offsets, bytes, ends, paths }: Columns): Buffer {
  const name = Buffer.from(stamp);
  const sizes = Uint32Array.of(ORDER, ends.length, name.length, paths.length);
  const numbers = [sizes, offsets, bytes, ends].map(bytesOf);
  const body = Buffer.concat([MARK, ...numbers, name, paths]);
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
  const [order, length, nameBytes, pathBytes] = new Uint32Array(take(16)) as unknown as number[];
  if (order !== ORDER) return undefined;
  const offsets = new Float64Array(take(8 * length!));
  const bytes = new Float64Array(take(8 * length!));
  const ends = new Uint32Array(take(4 * length!));
  if (Buffer.from(take(nameBytes!)).toString() !== stamp) return undefined;
  return { offsets, bytes, ends, paths: Buffer.from(take(pathBytes!)) };
}

function grown<Values extends Float64Array | Uint32Array | Uint8Array>(from: Values, to: Values): Values {
  to.set(from);
  return to;
}
