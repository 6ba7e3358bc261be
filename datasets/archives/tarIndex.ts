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

/** Asks for bytes; the driver sends them into the generator. */
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

/**
 * Yields read requests and calls `onEntry` for each regular file between `start` and `end`.
 * @param path for messages
 * @throws CorruptArchiveError for a wrong checksum, an entry that reaches beyond the end, a path that leaves the archive
 */
export function* walkTar(
  path: string,
  start: number,
  end: number,
  onEntry: (entry: TarEntry) => void,
): Generator<ReadRequest, void, Uint8Array> {
  let offset = start;
  let longPath: string | undefined;
  let longBytes: number | undefined;
  for (let entries = 0; offset + BLOCK <= end; entries++) {
    if (entries > MAX_ENTRIES)
      throw new CorruptArchiveError(path, offset, `has more than ${MAX_ENTRIES} entries`);
    const block = Buffer.from(yield { offset, bytes: BLOCK });
    const header = headerOf(block, path, offset);
    if (header.nullBlock) return;
    if (!header.cksumValid)
      throw new CorruptArchiveError(path, offset, 'has no tar header with a right checksum');
    const bytes = longBytes ?? header.size ?? 0;
    const contents = offset + BLOCK;
    if (!Number.isSafeInteger(bytes) || bytes < 0 || contents + bytes > end)
      throw new CorruptArchiveError(
        path,
        offset,
        `is truncated: an entry of ${bytes} bytes reaches beyond the end (${end})`,
      );
    const next = contents + Math.ceil(bytes / BLOCK) * BLOCK;
    const { type } = header;
    if (type === 'NextFileHasLongPath' || type === 'ExtendedHeader') {
      if (bytes > MAX_NAME_BYTES)
        throw new CorruptArchiveError(
          path,
          offset,
          `has a name of ${bytes} bytes, more than ${MAX_NAME_BYTES},`,
        );
      const text = Buffer.from(yield { offset: contents, bytes });
      if (type === 'NextFileHasLongPath') longPath = text.toString('utf8').replace(/\0.*$/s, '');
      else {
        const fields = paxFields(text);
        longPath = fields.path ?? longPath;
        longBytes = fields.size === undefined ? undefined : Number(fields.size);
      }
      offset = next;
      continue;
    }
    if (type === 'File' || type === 'OldFile' || type === 'ContiguousFile') {
      const name = longPath ?? header.path ?? '';
      if (name.startsWith('/') || name.split('/').includes('..'))
        throw new CorruptArchiveError(
          path,
          offset,
          `has an entry whose path leaves the archive, ${JSON.stringify(name)},`,
        );
      onEntry({ path: name, offset: contents, bytes });
    }
    longPath = undefined;
    longBytes = undefined;
    offset = next;
  }
}

/** tar throws bare errors for numbers that it cannot read. */
function headerOf(block: Buffer, path: string, offset: number): Header {
  try {
    return new Header(block);
  } catch (error) {
    throw new CorruptArchiveError(
      path,
      offset,
      `has a header that cannot be read (${(error as Error).message})`,
    );
  }
}

/** `'<length> <key>=<value>\n'`, again and again. */
function paxFields(text: Buffer): Record<string, string | undefined> {
  const fields: Record<string, string> = {};
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(0x20, at);
    const length = Number(text.subarray(at, space).toString());
    if (space < 0 || !(length > 0)) break;
    const [key, ...value] = text
      .subarray(space + 1, at + length - 1)
      .toString('utf8')
      .split('=');
    fields[key!] = value.join('=');
    at += length;
  }
  return fields;
}
