/** Reads a tar (ustar, with pax and GNU extensions for long names) that is in memory; copies nothing and believes nothing. */
import { BLOCK, type Extension, extended, isExtension, readExtension, readHeader } from '../../tar/header.js';

export interface TarEntry {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
  /** For people, when it is another: `'SymbolicLink'`. */
  readonly type: string;
  /** A view of the tar's own bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What is wrong with a tar. */
export class TarError extends Error {}

const TYPES: Readonly<Record<string, string>> = {
  0: 'File',
  1: 'Link',
  2: 'SymbolicLink',
  3: 'CharacterDevice',
  4: 'BlockDevice',
  5: 'Directory',
  6: 'FIFO',
  7: 'ContiguousFile',
};

/**
 * @param tar a whole one, with its end mark and nothing but zeros after it
 * @throws TarError at the first entry that is not as it should be; entries before it have been given out
 */
export function* tarEntries(tar: Uint8Array<ArrayBuffer>): Generator<TarEntry> {
  /** Of the next entry alone, by pax or GNU headers before it. */
  let said: Extension = {};
  for (let at = 0; ; ) {
    if (at + BLOCK > tar.length)
      throw new TarError('ends without the end mark of a tar; it is cut short, get it again');
    const header = readHeader(tar.subarray(at, at + BLOCK), damaged);
    if (!header) {
      checkEnd(tar, at);
      return;
    }
    at += BLOCK;
    const { path, bytes: size, type } = extended(header, said);
    if (at + size > tar.length) {
      throw new TarError(
        `declares ${size} bytes for ${shown(path)} and holds ${tar.length - at}; it is cut short`,
      );
    }
    const bytes = tar.subarray(at, at + size);
    at += Math.ceil(size / BLOCK) * BLOCK;
    if (isExtension(header)) {
      said = { ...said, ...readExtension(header, bytes, damaged) };
      continue;
    }
    said = {};
    // A name that ends in a slash is a folder in tars from before there was a type for it.
    const folder = type === '5' || (type === '0' && path.endsWith('/'));
    const kind = folder ? 'folder' : type === '0' ? 'file' : 'other';
    yield { path, kind, type: TYPES[type] ?? `'${type}'`, bytes };
  }
}

const damaged = (problem: string) => new TarError(`${problem}; get it again`);

/** As an error tells a path that may be anything. */
export const shown = (path: string): string => JSON.stringify(path.slice(0, 200));

function checkEnd(tar: Uint8Array, at: number): void {
  if (tar.length < at + 2 * BLOCK)
    throw new TarError('ends without the end mark of a tar; it is cut short, get it again');
  if (tar.subarray(at).some(byte => byte !== 0)) throw new TarError('has data after its end; get it again');
}
