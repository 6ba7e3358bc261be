/** Where every file of an archive lies, found once and kept in padezoo's cache until the archive changes. */
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import pLimit from 'p-limit';
import {
  type ArchiveEntries,
  type Columns,
  decodeEntries,
  EntriesBuilder,
  encodeEntries,
  entriesOf,
} from './entries.js';
import { kept } from './kept.js';
import { type ArchiveProgress, reporting } from './progress.js';
import { isAddress, LocationReader, readRange } from './read.js';
import { type TarEntry, walkTar } from './tarIndex.js';

export interface ArchiveIndex extends ArchiveEntries {
  /** Path or address. */
  readonly container: string;
}

/** `'nested'`: entries `NAME.tar` are archives themselves, whose files are listed in their place, as `NAME.tar/path`. */
export type Nesting = 'flat' | 'nested';

const HEADERS_A_TURN = 4096; // then other work of the process gets its turn
const REQUESTS_AT_ONCE = 16;
const READ_AHEAD_BYTES = 2 ** 14; // small files' headers come with the one before

/**
 * The index of a tar archive, from its headers alone.
 * @param container a path, or an address whose server answers range requests
 * @throws DatasetNotFoundError, CorruptArchiveError, CorruptFileError, AddressError
 */
export async function* indexArchive(
  container: string,
  nesting: Nesting = 'flat',
): AsyncGenerator<ArchiveProgress, ArchiveIndex, void> {
  const place = isAddress(container) ? container : resolve(container);
  const form = { ending: `${nesting}.index`, encode: encodeEntries, decode: decodeEntries };
  const columns = yield* kept(place, form, total =>
    reporting({ work: 'index', archive: place, total }, progress =>
      readEntries(place, total, nesting, progress),
    ),
  );
  return { container: place, ...entriesOf(columns) };
}

/** @param progress is told how many bytes were passed since it was told before */
async function readEntries(
  place: string,
  bytes: number,
  nesting: Nesting,
  progress: (bytes: number) => void,
): Promise<Columns> {
  const builder = new EntriesBuilder(place);
  const inner: TarEntry[] = [];
  await walk({ name: place, start: 0, end: bytes }, entry => {
    if (nesting === 'nested' && entry.path.endsWith('.tar')) inner.push(entry);
    else {
      progress(entry.bytes);
      builder.add(entry);
    }
  });
  const limit = pLimit(isAddress(place) ? REQUESTS_AT_ONCE : 1);
  const walked = new Map(inner.map(entry => [entry, limit(filesOf, entry)]));
  for (const files of walked.values()) files.catch(() => limit.clearQueue()); // it is thrown when its turn comes
  for (const [entry, files] of walked) {
    for (const file of await files) builder.add(file, `${entry.path}/`);
    walked.delete(entry); // and its files with it
  }
  return builder.columns();

  function walk(range: Range, onEntry: (entry: TarEntry) => void): Promise<void> {
    return isAddress(place) ? walkRemote(place, range, onEntry) : walkFile(place, range, onEntry);
  }

  async function filesOf({ path, offset, bytes }: TarEntry): Promise<TarEntry[]> {
    const files: TarEntry[] = [];
    await walk({ name: `${place}:${path}`, start: offset, end: offset + bytes }, file => {
      progress(file.bytes);
      files.push(file);
    });
    return files;
  }
}

interface Range {
  /** For messages. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

async function walkFile(place: string, range: Range, onEntry: (entry: TarEntry) => void): Promise<void> {
  const reader = new LocationReader();
  try {
    const walk = walkTar(range.name, range.start, range.end, onEntry);
    const block = Buffer.alloc(2 ** 16); // the largest that is asked for
    const header = block.subarray(0, 512); // the usual
    let reads = 0;
    for (let step = walk.next(); !step.done; ) {
      const { offset, bytes } = step.value;
      step = walk.next(
        reader.readInto(place, offset, bytes === header.length ? header : block.subarray(0, bytes)),
      );
      if (++reads % HEADERS_A_TURN === 0) await setImmediate();
    }
  } finally {
    reader.close();
  }
}

async function walkRemote(place: string, range: Range, onEntry: (entry: TarEntry) => void): Promise<void> {
  const walk = walkTar(range.name, range.start, range.end, onEntry);
  let window: { offset: number; contents: Uint8Array } = { offset: 0, contents: new Uint8Array(0) };
  for (let step = walk.next(); !step.done; ) {
    const { offset, bytes } = step.value;
    if (offset < window.offset || offset + bytes > window.offset + window.contents.length) {
      const ahead = Math.min(Math.max(bytes, READ_AHEAD_BYTES), range.end - offset);
      window = { offset, contents: await readRange(place, offset, ahead) };
    }
    step = walk.next(window.contents.subarray(offset - window.offset, offset - window.offset + bytes));
  }
}
