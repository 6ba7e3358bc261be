/** Reads the headers of a tar (ustar, with pax and GNU's extensions for long names and sizes), believing nothing. */

/** Bytes; headers take one block, contents whole ones. */
export const BLOCK = 512;
/** Of the contents of a pax header or a long name: far above a path's length; stops a forged size from filling memory. */
const MAX_EXTENSION_BYTES = 2 ** 16;

/** What is done with the first thing that is wrong; `problem` is the end of a sentence that begins with the archive. */
export type Refuse = (problem: string) => Error;

export interface TarHeader {
  /** Empty where there is none. */
  readonly path: string;
  /** Of the contents, which follow. */
  readonly bytes: number;
  /** Its letter: `'0'` is a file, `'5'` a folder; `'0'` also where old programs write none. */
  readonly type: string;
}

/** What an extension says of the next entry in its header's place. */
export interface Extension {
  readonly path?: string;
  readonly bytes?: number;
}

/** `'7'` was meant to be contiguous. */
const FILES = '07';
/** pax of one entry, as POSIX and as Solaris name it. */
const PAX = 'xX';
/** GNU's, and the name as Sun wrote it. */
const LONG_NAMES = 'LN';
/** With pax of all that follow, and GNU's long target of a link. */
const EXTENSIONS = `${PAX}${LONG_NAMES}gK`;
/** What GNU tar says of a file whose holes are left out, in pax: read as it stands, it would be another file. */
const SPARSE_KEY = 'GNU.sparse.';
/** Links, devices, folders and pipes have no contents, whatever their size says. */
const WITHOUT_CONTENTS = '23456';

const SPARSE_ADVICE = "of which holes are left out (pack it again without tar's --sparse),";

const NAME = { from: 0, bytes: 100 };
const SIZE = { from: 124, bytes: 12 };
const CHECKSUM = { from: 148, bytes: 8 };
const TYPE = 156;
const MAGIC = { from: 257, bytes: 6 };
const PREFIX = { from: 345, bytes: 155 };
const [SPACE, ZERO, SEVEN, NINE, EQUALS, NEWLINE] = [0x20, 0x30, 0x37, 0x39, 0x3d, 0x0a];
const BASE_256 = 0x80; // GNU's numbers of 8 GiB and more begin with it

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * @param block of 512 bytes
 * @returns undefined for a block of zeros, which marks the end
 */
export function readHeader(block: Uint8Array, refuse: Refuse): TarHeader | undefined {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += block[i]!;
  if (sum === 0) return undefined;
  for (let i = CHECKSUM.from; i < CHECKSUM.from + CHECKSUM.bytes; i++) sum += SPACE - block[i]!; // as when it was counted
  if (sum !== octal(block, CHECKSUM)) throw refuse('has no tar header with a right checksum');
  const type = String.fromCharCode(block[TYPE] || ZERO);
  const size = block[SIZE.from] === BASE_256 ? base256(block, SIZE) : octal(block, SIZE);
  if (size === undefined) throw refuse('has a header without a size');
  if (isWorthReading({ type }) && size > MAX_EXTENSION_BYTES)
    throw refuse(`has an extended header of ${size} bytes, more than ${MAX_EXTENSION_BYTES}`);
  if (type === 'S') throw refuse(`has a sparse file, ${SPARSE_ADVICE}`);
  const name = text(block, NAME);
  // GNU's own headers have times where the prefix is, and 'ustar ' for their magic.
  const prefix = text(block, MAGIC) === 'ustar' ? text(block, PREFIX) : '';
  const path = prefix ? `${prefix}/${name}` : name;
  return { path, bytes: WITHOUT_CONTENTS.includes(type) ? 0 : size, type };
}

/** Whether it is a regular file, or a folder as very old programs wrote them: a file whose name ends in a slash. */
export function isFile({ type }: TarHeader): boolean {
  return FILES.includes(type);
}

/** Whether its contents speak of other entries: it is none itself. */
export function isExtension({ type }: TarHeader): boolean {
  return EXTENSIONS.includes(type);
}

/** Whether an extension's contents say something that counts: what is said of all entries, or of a link's target, does not. */
export function isWorthReading({ type }: Pick<TarHeader, 'type'>): boolean {
  return PAX.includes(type) || LONG_NAMES.includes(type);
}

/** @param contents that follow the header */
export function readExtension({ type }: TarHeader, contents: Uint8Array, refuse: Refuse): Extension {
  if (LONG_NAMES.includes(type)) return { path: upToNull(contents) };
  return PAX.includes(type) ? paxOf(contents, refuse) : {};
}

/** The entry itself; other programs let an extension change the size of regular files alone. */
export function extended(header: TarHeader, { path = header.path, bytes }: Extension): TarHeader {
  return { ...header, path, bytes: (isFile(header) ? bytes : undefined) ?? header.bytes };
}

/** `"<length> <key>=<value>\n"`, again and again, the length counting all of it. */
function paxOf(bytes: Uint8Array, refuse: Refuse): Extension {
  let found: Extension = {};
  for (let at = 0; at < bytes.length; ) {
    let length = 0;
    let space = at;
    for (; isDigit(bytes[space]) && length <= bytes.length; space++)
      length = 10 * length + bytes[space]! - ZERO;
    const end = at + length;
    const equals = bytes.indexOf(EQUALS, space);
    const isSound =
      space > at &&
      bytes[space] === SPACE &&
      end <= bytes.length &&
      space + 1 < equals &&
      equals < end &&
      bytes[end - 1] === NEWLINE;
    if (!isSound) throw refuse('has an extended header whose records are damaged');
    const key = utf8.decode(bytes.subarray(space + 1, equals));
    const value = utf8.decode(bytes.subarray(equals + 1, end - 1));
    if (key.startsWith(SPARSE_KEY)) throw refuse(`has a sparse file, ${SPARSE_ADVICE}`);
    if (key === 'path') found = { ...found, path: value };
    if (key === 'size') {
      const size = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      if (!Number.isSafeInteger(size))
        throw refuse(`has an extended header with a damaged size, ${JSON.stringify(value.slice(0, 100))}`);
      found = { ...found, bytes: size };
    }
    at = end;
  }
  return found;
}

interface Field {
  readonly from: number;
  readonly bytes: number;
}

function text(block: Uint8Array, { from, bytes }: Field): string {
  return upToNull(block.subarray(from, from + bytes));
}

function upToNull(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octal digits between spaces, up to a zero; 0 where there are none. */
function octal(block: Uint8Array, { from, bytes }: Field): number | undefined {
  const end = from + bytes;
  let at = from;
  let value = 0;
  while (at < end && block[at] === SPACE) at++;
  for (; at < end && block[at]! >= ZERO && block[at]! <= SEVEN; at++) value = 8 * value + block[at]! - ZERO;
  while (at < end && block[at] === SPACE) at++;
  return at === end || block[at] === 0 ? value : undefined;
}

function base256(block: Uint8Array, { from, bytes }: Field): number | undefined {
  let value = 0;
  for (let at = from + 1; at < from + bytes; at++) value = 256 * value + block[at]!;
  return Number.isSafeInteger(value) ? value : undefined;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
