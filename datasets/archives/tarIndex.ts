/** Lists what is in a tar archive by reading only its headers; knows nothing about how bytes are read. */
import { PadezooError } from '../../src/errors.js';
import {
  BLOCK,
  type Extension,
  extended,
  isExtension,
  isFile,
  isWorthReading,
  readExtension,
  readHeader,
} from '../../src/tar/header.js';

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

export const MAX_ENTRIES = 2 ** 26; // fifty times ImageNet; stops a bomb of empty entries
const MAX_PATH_LENGTH = 4096; // as Linux: no file system takes a longer one
const TAIL_BYTES = 2 ** 16; // of the zeros behind the end, read at once
const HARD_LINK = '1';

/**
 * Yields read requests and calls `onEntry` for each regular file between `start` and `end`; symbolic links, folders and
 * devices are passed over. The end must be marked as tar marks it, and nothing but zeros may stand behind the mark: an
 * archive that was cut between two files, or lost a header, is found out.
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
  let said: Extension = {};
  const corrupt = (problem: string) => new CorruptArchiveError(path, offset, problem);
  for (let entries = 0; ; entries++) {
    if (entries > MAX_ENTRIES) throw corrupt(`has more than ${MAX_ENTRIES} entries`);
    if (offset + BLOCK > end)
      throw corrupt(`is truncated: it ends (${end}) without the zeros that end a tar archive,`);
    const header = readHeader(yield { offset, bytes: BLOCK }, corrupt);
    if (!header) return yield* requireZeros(path, offset, end);
    const { path: name, bytes } = extended(header, said);
    const contents = offset + BLOCK;
    if (contents + bytes > end)
      throw corrupt(`is truncated: an entry of ${bytes} bytes reaches beyond the end (${end})`);
    if (isExtension(header)) {
      if (isWorthReading(header))
        said = { ...said, ...readExtension(header, yield { offset: contents, bytes }, corrupt) };
    } else {
      said = {};
      if (header.type === HARD_LINK)
        throw corrupt(
          `has a hard link, ${JSON.stringify(name)} (pack it again with tar's --hard-dereference),`,
        );
      if (isFile(header) && !name.endsWith('/')) {
        if (name === '' || name.includes('\0')) throw corrupt('has an entry without a name');
        if (name.length > MAX_PATH_LENGTH)
          throw corrupt(`has an entry whose path has ${name.length} letters, more than ${MAX_PATH_LENGTH},`);
        if (name.startsWith('/') || name.split('/').includes('..'))
          throw corrupt(`has an entry whose path leaves the archive, ${JSON.stringify(name)},`);
        onEntry({ path: name, offset: contents, bytes });
      }
    }
    offset = contents + Math.ceil(bytes / BLOCK) * BLOCK;
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
