/** Where every file of an archive lies, found once and kept in padezoo's cache until the archive changes. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import pLimit from 'p-limit';
import writeFileAtomic from 'write-file-atomic';
import { digestOf } from '../checksum.js';
import { DatasetNotFoundError } from '../errors.js';
import { cacheDirectory } from '../places.js';
import { type ArchiveEntries, decodeEntries, EntriesBuilder, encodeEntries, entriesOf } from './entries.js';
import { type ArchiveProgress, reporting } from './progress.js';
import { describeAddress, isAddress, LocationReader, readRange } from './read.js';
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
 * @throws DatasetNotFoundError, CorruptArchiveError, PadezooError when a server does not answer ranges
 */
export async function* indexArchive(
  container: string,
  nesting: Nesting = 'flat',
): AsyncGenerator<ArchiveProgress, ArchiveIndex, void> {
  const place = isAddress(container) ? container : resolve(container);
  const { bytes, stamp } = await describeArchive(place);
  const path = keptPath(place, `${nesting}.index`);
  const known = readKept(path, stamp);
  if (known) return { container: place, ...known };

  const entries = yield* reporting({ work: 'index', archive: place, total: bytes }, progress =>
    readEntries(place, bytes, nesting, progress),
  );
  const columns = entries.columns();
  await keep(path, encodeEntries(stamp, columns));
  return { container: place, ...entriesOf(columns) };
}

/** Its size, and what changes when it does. */
export async function describeArchive(place: string): Promise<{ bytes: number; stamp: string }> {
  if (isAddress(place)) {
    const { bytes, version } = await describeAddress(place);
    return { bytes, stamp: `${bytes} ${version}` };
  }
  try {
    const { size, mtimeMs } = statSync(place);
    return { bytes: size, stamp: `${size} ${mtimeMs}` };
  } catch (cause) {
    throw new DatasetNotFoundError(
      'archive',
      [place],
      `datasets: there is no archive ${place} (${(cause as Error).message})`,
    );
  }
}

/** Where the cache keeps what was found out about an archive. */
export function keptPath(place: string, what: string): string {
  return join(cacheDirectory(), 'indexes', `${digestOf('sha256', place).slice(0, 16)}.${what}`);
}

export async function keep(path: string, contents: Buffer | string): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    await writeFileAtomic(path, contents);
  } catch {
    // A cache that cannot be written costs time when the archive is opened again, and nothing else.
  }
}

/** undefined where there is none, or one of another archive. */
function readKept(path: string, stamp: string): ArchiveEntries | undefined {
  try {
    const columns = decodeEntries(readFileSync(path), stamp);
    return columns && entriesOf(columns);
  } catch {
    return undefined; // it is made again
  }
}

/** @param progress is told how many bytes were passed since it was told before */
async function readEntries(
  place: string,
  bytes: number,
  nesting: Nesting,
  progress: (bytes: number) => void,
): Promise<EntriesBuilder> {
  const remote = isAddress(place);
  const walk = remote ? walkRemote : walkFile;
  const outer: TarEntry[] = [];
  const isInner = ({ path }: TarEntry) => nesting === 'nested' && path.endsWith('.tar');
  await walk(place, { name: place, start: 0, end: bytes }, entry => {
    if (!isInner(entry)) progress(entry.bytes);
    outer.push(entry);
  });
  const limit = pLimit(remote ? REQUESTS_AT_ONCE : 1);
  const inner = new Map<TarEntry, Promise<TarEntry[]>>();
  for (const entry of outer) if (isInner(entry)) inner.set(entry, limit(filesOf, entry));
  for (const files of inner.values()) files.catch(() => limit.clearQueue()); // it is thrown when its turn comes
  const builder = new EntriesBuilder();
  for (const entry of outer) {
    const files = inner.get(entry);
    if (!files) builder.add(entry);
    else for (const file of await files) builder.add(file, `${entry.path}/`);
    inner.delete(entry);
  }
  return builder;

  async function filesOf({ path, offset, bytes }: TarEntry): Promise<TarEntry[]> {
    const files: TarEntry[] = [];
    await walk(place, { name: `${place}:${path}`, start: offset, end: offset + bytes }, file => {
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
