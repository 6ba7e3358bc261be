/** Reads IDX files (the format of MNIST), gzipped or not, and believes nothing that it has not checked. */
import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { type Checksum, mismatch } from './checksum.js';
import { CorruptFileError } from './errors.js';
import { isGzip } from './gzip.js';

export interface Idx {
  /** The first one counts the items. */
  readonly dimensions: readonly number[];
  /** The product of `dimensions` bytes, the last dimension fastest. */
  readonly data: Uint8Array;
}

export interface IdxExpectation {
  /** The number of dimensions: 3 for images, 1 for labels. */
  readonly rank: number;
  /** Of the uncompressed file. */
  readonly checksum?: Checksum;
  /** Ends every error message: what the reader can do. */
  readonly remedy?: string;
}

const UNSIGNED_BYTE = 0x08;
const MAX_DATA_BYTES = 2 ** 30; // twenty times MNIST; stops a forged dimension from filling memory
const HEADER_PREFIX_BYTES = 4096; // enough of a gzip file to hold its own header and the IDX header
const REMEDY = 'get the file again';

const gunzip = promisify(zlib.gunzip) as unknown as (
  bytes: Uint8Array,
  options: zlib.ZlibOptions,
) => Promise<{ buffer: Uint8Array; engine: zlib.Gunzip }>; // the shape with `info: true`

/**
 * @throws CorruptFileError when the file is not exactly one IDX array of unsigned bytes of that rank, or has another checksum
 */
export async function readIdx(path: string, expected: IdxExpectation): Promise<Idx> {
  return parseIdx(await readFile(path), path, expected);
}

/**
 * @param bytes the whole file, gzipped or not; the result may be a view of it
 * @param path for error messages
 * @throws CorruptFileError
 */
export async function parseIdx(bytes: Uint8Array, path: string, expected: IdxExpectation): Promise<Idx> {
  const { dimensions, headerBytes, totalBytes } = parseHeader(
    bytes.subarray(0, HEADER_PREFIX_BYTES),
    path,
    expected,
  );
  const whole = isGzip(bytes) ? await inflate(bytes, totalBytes, path, expected) : bytes;
  if (whole.length !== totalBytes)
    throw corrupt(
      path,
      `is ${whole.length < totalBytes ? 'too short' : 'too long'}: its header promises ` +
        `${dimensions.join(' x ')} bytes, ${totalBytes} with the header, but it has ${whole.length}`,
      expected,
    );
  const other = expected.checksum && mismatch(expected.checksum, whole);
  if (other) throw corrupt(path, `has other contents than expected: ${other}`, expected);
  return { dimensions, data: whole.subarray(headerBytes) };
}

/**
 * The dimensions alone, read from the first bytes of the file.
 * @throws CorruptFileError
 */
export function readIdxDimensions(path: string, expected: IdxExpectation): readonly number[] {
  const prefix = Buffer.alloc(HEADER_PREFIX_BYTES);
  const file = openSync(path, 'r');
  try {
    return parseHeader(prefix.subarray(0, readSync(file, prefix)), path, expected).dimensions;
  } finally {
    closeSync(file);
  }
}

function parseHeader(prefix: Uint8Array, path: string, expected: IdxExpectation) {
  const head = isGzip(prefix) ? inflatePrefix(prefix, path, expected) : prefix;
  const headerBytes = 4 + 4 * expected.rank;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const magic = (UNSIGNED_BYTE << 8) | expected.rank;
  if (head.length >= 4 && view.getUint32(0) !== magic)
    throw corrupt(
      path,
      `starts with ${hex(view.getUint32(0))}, expected ${hex(magic)} (IDX, unsigned bytes, ${expected.rank} ` +
        `dimension${expected.rank === 1 ? '' : 's'})`,
      expected,
    );
  if (head.length < headerBytes)
    throw corrupt(
      path,
      `is too short: ${head.length} bytes cannot hold an IDX header of ${headerBytes}`,
      expected,
    );
  const dimensions = Array.from({ length: expected.rank }, (_, i) => view.getUint32(4 + 4 * i));
  const dataBytes = dimensions.reduce((product, size) => product * size, 1);
  if (dataBytes === 0 || dataBytes > MAX_DATA_BYTES)
    throw corrupt(
      path,
      `promises ${dimensions.join(' x ')} bytes, expected between 1 and ${MAX_DATA_BYTES}`,
      expected,
    );
  return { dimensions, headerBytes, totalBytes: headerBytes + dataBytes };
}

function inflatePrefix(prefix: Uint8Array, path: string, expected: IdxExpectation): Uint8Array {
  try {
    return zlib.gunzipSync(prefix, { finishFlush: zlib.constants.Z_SYNC_FLUSH }); // the end may be missing here
  } catch (cause) {
    throw corrupt(path, `is not a sound gzip file (${(cause as Error).message})`, expected, cause);
  }
}

async function inflate(bytes: Uint8Array, totalBytes: number, path: string, expected: IdxExpectation) {
  try {
    const { buffer, engine } = await gunzip(bytes, {
      info: true,
      maxOutputLength: totalBytes,
    } as zlib.ZlibOptions);
    if (engine.bytesWritten !== bytes.length)
      throw corrupt(
        path,
        `has ${bytes.length - engine.bytesWritten} bytes after the end of its gzip data`,
        expected,
      );
    return buffer;
  } catch (cause) {
    if (cause instanceof CorruptFileError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem =
      code === 'ERR_BUFFER_TOO_LARGE'
        ? `is too long: its header promises ${totalBytes} bytes with the header, but it holds more`
        : code === 'Z_BUF_ERROR'
          ? 'is truncated: its gzip data has no end'
          : `is not a sound gzip file (${message})`;
    throw corrupt(path, problem, expected, cause);
  }
}

function corrupt(path: string, problem: string, expected: IdxExpectation, cause?: unknown): CorruptFileError {
  return new CorruptFileError(path, problem, expected.remedy ?? REMEDY, { cause });
}

const hex = (word: number) => `0x${word.toString(16).padStart(8, '0')}`;
