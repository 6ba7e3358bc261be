/** Reads a tar (ustar, with pax and GNU extensions for long names) that is in memory; copies nothing and believes nothing. */

/** Bytes; headers take one, files whole ones. */
export const BLOCK = 512;

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
/** What a header's fields are: offset and length. */
const FIELD = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 6],
  prefix: [345, 155],
} as const;
/** Of a pax header or a long name: far above a path's length. */
const MAX_EXTENSION_BYTES = 2 ** 16;

/**
 * @param tar a whole one, with its end mark and nothing but zeros after it
 * @throws TarError at the first entry that is not as it should be; entries before it have been given out
 */
export function* tarEntries(tar: Uint8Array<ArrayBuffer>): Generator<TarEntry> {
  /** Of the next entry alone, by pax or GNU headers before it. */
  let said: { path?: string; size?: number } = {};
  for (let at = 0; ; ) {
    if (at + BLOCK > tar.length)
      throw new TarError('ends without the end mark of a tar; it is cut short, get it again');
    const header = tar.subarray(at, at + BLOCK);
    if (header.every(byte => byte === 0)) {
      checkEnd(tar, at);
      return;
    }
    checkSum(header);
    at += BLOCK;
    const type = text(header, 'type') || '0';
    const path = said.path ?? pathOf(header);
    const size = said.size ?? number(header, 'size');
    if (at + size > tar.length) {
      throw new TarError(
        `declares ${size} bytes for ${shown(path)} and holds ${tar.length - at}; it is cut short`,
      );
    }
    const bytes = tar.subarray(at, at + size);
    at += Math.ceil(size / BLOCK) * BLOCK;
    if ('xgLK'.includes(type)) {
      said = type === 'g' ? said : { ...said, ...extension(type, bytes) };
      continue;
    }
    said = {};
    // A name that ends in a slash is a folder in tars from before there was a type for it.
    const folder = type === '5' || (type === '0' && path.endsWith('/'));
    const kind = folder ? 'folder' : type === '0' ? 'file' : 'other';
    yield { path, kind, type: TYPES[type] ?? `'${type}'`, bytes };
  }
}

/** As an error tells a path that may be anything. */
export const shown = (path: string): string => JSON.stringify(path.slice(0, 200));

function checkEnd(tar: Uint8Array, at: number): void {
  if (tar.length < at + 2 * BLOCK)
    throw new TarError('ends without the end mark of a tar; it is cut short, get it again');
  if (tar.subarray(at).some(byte => byte !== 0)) throw new TarError('has data after its end; get it again');
}

/** The sum of a header's bytes, its own taken as spaces. */
function checkSum(header: Uint8Array): void {
  const [from, length] = FIELD.checksum;
  const sum = header.reduce((total, byte, i) => total + (i >= from && i < from + length ? 0x20 : byte), 0);
  if (sum !== number(header, 'checksum'))
    throw new TarError('is damaged: the checksum of a header is not that of its bytes; get it again');
}

function pathOf(header: Uint8Array): string {
  const name = text(header, 'name');
  // GNU's own headers have times where the prefix is, and 'ustar ' for their magic.
  const prefix = text(header, 'magic') === 'ustar' ? text(header, 'prefix') : '';
  return prefix ? `${prefix}/${name}` : name;
}

function text(header: Uint8Array, field: keyof typeof FIELD): string {
  const [from, length] = FIELD[field];
  return upToNull(header.subarray(from, from + length));
}

function upToNull(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octal digits, or GNU's big-endian bytes after 0x80 for 8 GiB and more, which no bundle has. */
function number(header: Uint8Array, field: keyof typeof FIELD): number {
  const [from] = FIELD[field];
  if (header[from]! & 0x80)
    throw new TarError('is damaged: a header has a number beyond all sizes; get it again');
  const digits = text(header, field).trim();
  if (!/^[0-7]*$/.test(digits))
    throw new TarError(`is damaged: a header has ${shown(digits)} for its ${field}; get it again`);
  return Number.parseInt(digits || '0', 8);
}

function extension(type: string, bytes: Uint8Array): { path?: string; size?: number } {
  if (bytes.length > MAX_EXTENSION_BYTES)
    throw new TarError(`has an extended header of ${bytes.length} bytes; no checkpoint does`);
  if (type === 'L') return { path: upToNull(bytes) };
  if (type === 'K') return {}; // the target of a link, which is refused when it comes
  const records = paxRecords(bytes);
  const [path, size] = [records.get('path'), records.get('size')];
  if (size !== undefined && !/^\d{1,15}$/.test(size))
    throw new TarError(`declares ${shown(size)} bytes in an extended header; it is damaged`);
  return { ...(path !== undefined && { path }), ...(size !== undefined && { size: Number(size) }) };
}

/** `"<length> <key>=<value>\n"`, the length counting all of it. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const match = /^(\d{1,6}) /.exec(new TextDecoder().decode(bytes.subarray(at, at + 8)));
    const length = Number(match?.[1]);
    const record = new TextDecoder().decode(bytes.subarray(at + (match?.[0].length ?? 0), at + length));
    const equals = record.indexOf('=');
    if (
      !match ||
      length <= match[0].length ||
      at + length > bytes.length ||
      equals < 1 ||
      !record.endsWith('\n')
    )
      throw new TarError('is damaged: an extended header cannot be read; get it again');
    records.set(record.slice(0, equals), record.slice(equals + 1, -1));
    at += length;
  }
  return records;
}
