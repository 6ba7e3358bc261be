/** Reads a stretch of bytes from a file or from an address that answers range requests. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import pLimit from 'p-limit';
import { AddressError, CorruptFileError } from '../errors.js';

/** Where an image's bytes are. */
export interface Location {
  /** A path, or an `http:` or `https:` address. */
  readonly container: string;
  readonly offset: number;
  /** null: all of it. */
  readonly bytes: number | null;
}

const OPEN_FILES = 32; // archives are few; of folders the latest are kept
const KEPT_BYTES = 2 ** 22; // above nearly all photographs
const REQUESTS_AT_ONCE = 8;
const MAX_IMAGE_BYTES = 2 ** 28; // far above any photograph; stops a forged size from filling memory
const ATTEMPTS = 3;
const STALL_MS = 20_000;

export function isAddress(container: string): boolean {
  return /^https?:\/\//.test(container);
}

/** Memory for one image after the other: with a buffer for each, a scavenge took 6 ms of a worker, and now 0.3. */
export class Space {
  #kept = Buffer.alloc(0);

  /** Memory of any content that is the caller's until the next call. */
  take(bytes: number): Buffer {
    if (bytes > KEPT_BYTES) return Buffer.allocUnsafe(bytes);
    if (bytes > this.#kept.length) this.#kept = Buffer.allocUnsafeSlow(Math.min(KEPT_BYTES, 2 * bytes));
    return this.#kept.subarray(0, bytes);
  }
}

/** Keeps files open between reads; close it at the end. */
export class LocationReader {
  readonly #files = new Map<string, number>();
  readonly #limit = pLimit(REQUESTS_AT_ONCE);

  /**
   * @param space where a file's bytes may lie, until the next read with it; what comes from an address has memory of its own
   * @throws CorruptFileError or AddressError when there are fewer bytes than there must be
   */
  async read({ container, offset, bytes }: Location, space?: Space): Promise<Uint8Array> {
    if (isAddress(container)) return this.#limit(() => readRange(container, offset, bytes));
    const length = bytes ?? fstatSync(this.#open(container)).size;
    if (length > MAX_IMAGE_BYTES) throw new Error(`has ${length} bytes, more than ${MAX_IMAGE_BYTES}`);
    return this.readInto(container, offset, space?.take(length) ?? Buffer.allocUnsafe(length));
  }

  /** Fills `buffer`, and returns it. */
  readInto(path: string, offset: number, buffer: Buffer): Buffer {
    const file = this.#open(path);
    const { length } = buffer;
    for (let read = 0; read < length; ) {
      const count = readSync(file, buffer, read, length - read, offset + read);
      if (count === 0)
        throw new CorruptFileError(
          path,
          `ends at byte ${offset + read}, expected ${length - read} more`,
          'get it again',
        );
      read += count;
    }
    return buffer;
  }

  close(): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }

  #open(path: string): number {
    const open = this.#files.get(path);
    if (open !== undefined) return open;
    if (this.#files.size >= OPEN_FILES) {
      const [oldest, file] = this.#files.entries().next().value!;
      closeSync(file);
      this.#files.delete(oldest);
    }
    const file = openSync(path, 'r');
    this.#files.set(path, file);
    return file;
  }
}

/**
 * @param bytes null: to the end
 * @throws AddressError when the server does not answer ranges, or answers with fewer bytes
 */
export async function readRange(url: string, offset: number, bytes: number | null): Promise<Uint8Array> {
  if (bytes === 0) return new Uint8Array(0);
  const range = `bytes=${offset}-${bytes === null ? '' : offset + bytes - 1}`;
  let failure: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const response = await askFor(url, range);
      if (response.status !== 206) {
        await response.body?.cancel();
        throw new AddressError(
          url,
          `was asked for ${range}, its server answered HTTP ${response.status} instead of 206`,
        );
      }
      const given = response.headers.get('content-range') ?? '';
      if (!given.startsWith(`bytes ${offset}-`)) {
        await response.body?.cancel();
        throw new AddressError(url, `was asked for ${range}, its server gave ${JSON.stringify(given)}`);
      }
      const contents = new Uint8Array(await response.arrayBuffer());
      if (bytes !== null && contents.length !== bytes)
        throw new AddressError(url, `was asked for ${range}, its server sent ${contents.length} bytes`);
      return contents;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/**
 * Bytes of the whole file behind an address that answers ranges, and its version where the server tells one.
 * @throws AddressError
 */
export async function describeAddress(url: string): Promise<{ bytes: number; version: string }> {
  const response = await askFor(url, 'bytes=0-0');
  await response.body?.cancel();
  const total = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (response.status !== 206 || total === undefined)
    throw new AddressError(url, `answered HTTP ${response.status} to a range request, expected 206`);
  const version = response.headers.get('etag') ?? response.headers.get('last-modified') ?? '';
  return { bytes: Number(total), version };
}

async function askFor(url: string, range: string): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { range, 'accept-encoding': 'identity' },
      signal: AbortSignal.timeout(STALL_MS),
    });
  } catch (cause) {
    const { message, cause: reason } = cause as Error;
    throw new AddressError(url, `cannot be reached (${reason instanceof Error ? reason.message : message})`, {
      cause,
    });
  }
}
