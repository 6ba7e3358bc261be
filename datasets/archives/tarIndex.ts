/** Lists what is in a tar archive by reading only its headers; knows nothing about how bytes are read. */
import { Header } from 'tar';
import { PadezooError } from '../../src/errors.js';

/** A regular file in an archive. */
export interface TarEntry {
  readonly path: string;
  /** Of its contents, from the start of the container. */
  readonly offset: number;
  readonly bytes: number;
}

/** Asks for bytes; the driver sends them into the generator, which is done with them when it asks again. */
export interface ReadRequest {
  readonly offset: number;
  readonly bytes: number;
}

/** There is no sound tar header where one must be. */
export class CorruptArchiveError extends PadezooError {
  override readonly name = 'CorruptArchiveError';
  constructor(
    readonly path: string,
    readonly offset: number,
    problem: string,
  ) {
    super(`datasets: ${path} ${problem} at byte ${offset}; get the archive again`);
  }
}

const BLOCK = 512;
const MAX_NAME_BYTES = 2 ** 16; // of a long name's or pax header's block
const MAX_ENTRIES = 2 ** 26; // fifty times ImageNet; stops a bomb of empty entries
const TAIL_BYTES = 2 ** 16; // of the zeros behind the end, read at once

/** What pax and GNU headers say about the file behind them. */
interface Extension {
  path?: string;
  size?: number;
}

const FILES = new Set(['File', 'OldFile', 'ContiguousFile']);
/** They have no contents, whatever their size field says. */
const WITHOUT_CONTENTS = new Set(['SymbolicLink', 'CharacterDevice', 'BlockDevice', 'Directory', 'FIFO']);
const LONG_NAMES = new Set(['NextFileHasLongPath', 'OldGnuLongPath']);
/** They stand before a file too, but say nothing that counts here. */
const PASSED_OVER = new Set(['NextFileHasLongLinkpath', 'GlobalExtendedHeader']);

/**
 * Yields read requests and calls `onEntry` for each regular file between `start` and `end`; symbolic
 * links, folders and devices are passed over. The end must be marked as tar marks it, and nothing but zeros may stand behind the mark: an archive that was
 * cut between two files, or lost a header, is found out.
 * @param path for messages
 * @throws CorruptArchiveError for a wrong checksum, an entry that reaches beyond the end, a path that leaves the archive, a
 *   hard link (its file would be missed), a missing end
 */
export function* walkTar(
  path: string,
  start: number,
  end: number,
  onEntry: (entry: TarEntry) => void,
): Generator<ReadRequest, void, Uint8Array> {
  let offset = start;
  let extension: Extension = {};
  const corrupt = (problem: string) => new CorruptArchiveError(path, offset, problem);
  for (let entries = 0; ; entries++) {
    if (entries > MAX_ENTRIES) throw corrupt(`has more than ${MAX_ENTRIES} entries`);
    if (offset + BLOCK > end)
      throw corrupt(`is truncated: it ends (${end}) without the zeros that end a tar archive,`);
    const header = headerOf(yield { offset, bytes: BLOCK }, corrupt);
    if (header.nullBlock) return yield* requireZeros(path, offset, end);
    if (!header.cksumValid) throw corrupt('has no tar header with a right checksum');
    const { type } = header;
    const isFile = FILES.has(type);
    const bytes = WITHOUT_CONTENTS.has(type) ? 0 : isFile ? (extension.size ?? header.size) : header.size;
    const contents = offset + BLOCK;
    if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 0)
      throw corrupt('has a header without a size');
    const next = contents + Math.ceil(bytes / BLOCK) * BLOCK;
    if (contents + bytes > end)
      throw corrupt(`is truncated: an entry of ${bytes} bytes reaches beyond the end (${end})`);
    if (LONG_NAMES.has(type) || type === 'ExtendedHeader') {
      if (bytes > MAX_NAME_BYTES) throw corrupt(`has a name of ${bytes} bytes, more than ${MAX_NAME_BYTES},`);
      const text = Buffer.from(yield { offset: contents, bytes });
      const found =
        type === 'ExtendedHeader'
          ? paxOf(text, corrupt)
          : { path: text.toString('utf8').replace(/\0.*$/s, '') };
      extension = { ...extension, ...found };
    } else if (!PASSED_OVER.has(type)) {
      const name = extension.path ?? header.path ?? '';
      if (type === 'Link')
        throw corrupt(
          `has a hard link, ${JSON.stringify(name)} (pack it again with tar's --hard-dereference),`,
        );
      if (isFile && !name.endsWith('/')) {
        if (name === '' || name.includes('\0')) throw corrupt('has an entry without a name');
        if (name.startsWith('/') || name.split('/').includes('..'))
          throw corrupt(`has an entry whose path leaves the archive, ${JSON.stringify(name)},`);
        onEntry({ path: name, offset: contents, bytes });
      }
      extension = {};
    }
    offset = next;
  }
}

function* requireZeros(path: string, offset: number, end: number): Generator<ReadRequest, void, Uint8Array> {
  for (let at = offset; at < end; at += TAIL_BYTES) {
    const tail = yield { offset: at, bytes: Math.min(TAIL_BYTES, end - at) };
    const wrong = tail.findIndex(byte => byte !== 0);
    if (wrong >= 0)
      throw new CorruptArchiveError(path, at + wrong, 'goes on behind the zeros that end a tar archive');
  }
}

/** tar throws bare errors for numbers that it cannot read. */
function headerOf(block: Uint8Array, corrupt: (problem: string) => CorruptArchiveError): Header {
  try {
    return new Header(
      Buffer.isBuffer(block) ? block : Buffer.from(block.buffer, block.byteOffset, block.byteLength),
    );
  } catch (error) {
    throw corrupt(`has a header that cannot be read (${(error as Error).message})`);
  }
}

/** `'<length> <key>=<value>\n'`, again and again; tar's own parser passes over records that are damaged. */
function paxOf(text: Buffer, corrupt: (problem: string) => CorruptArchiveError): Extension {
  const found: Extension = {};
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(0x20, at);
    const length = Number(text.toString('latin1', at, Math.max(at, space)) || Number.NaN);
    const end = at + length;
    const equals = text.indexOf(0x3d, space);
    if (!Number.isInteger(length) || end > text.length || !(space < equals && equals < end))
      throw corrupt('has a pax header whose records are damaged');
    if (text[end - 1] !== 0x0a) throw corrupt('has a pax header whose records are damaged');
    const key = text.toString('utf8', space + 1, equals);
    const value = text.toString('utf8', equals + 1, end - 1);
    if (key === 'path') found.path = value;
    if (key === 'size') found.size = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    at = end;
  }
  return found;
}
