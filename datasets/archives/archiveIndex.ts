/** Where every file of an archive lies, found once and kept in padezoo's cache until the archive changes. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import pLimit from 'p-limit';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { DatasetNotFoundError } from '../errors.js';
import { cacheDirectory } from '../places.js';
import { sha256Of } from '../sha256.js';
import { describeAddress, isAddress, LocationReader, readRange } from './read.js';
import { type TarEntry, walkTar } from './tarIndex.js';

export interface ArchiveIndex {
  /** Path or address. */
  readonly container: string;
  readonly entries: readonly TarEntry[];
}

const FORMAT = 1;
const ENTRIES_A_TURN = 4096; // then other work of the process gets its turn
const REQUESTS_AT_ONCE = 16;

const Kept = z.object({
  format: z.literal(FORMAT),
  stamp: z.string(),
  paths: z.array(z.string()),
  offsets: z.array(z.int().min(0)),
  bytes: z.array(z.int().min(0)),
});

/**
 * @param container a tar archive: a path, or an address whose server answers range requests
 * @param inner entries that are archives themselves: their files are listed in their place, as `inner.tar/path`
 * @throws DatasetNotFoundError, CorruptArchiveError
 */
export async function indexArchive(
  container: string,
  inner: (path: string) => boolean = () => false,
): Promise<ArchiveIndex> {
  const remote = isAddress(container);
  const place = remote ? container : resolve(container);
  const { bytes, version } = await describe(place);
  const stamp = `${bytes} ${version}`;
  const path = join(cacheDirectory(), 'indexes', `${sha256Of(Buffer.from(place)).slice(0, 16)}.json`);
  const kept = readKept(path, stamp);
  if (kept) return { container: place, entries: kept };

  const walk = remote ? walkRemote : walkFile;
  const outer: TarEntry[] = [];
  await walk(place, place, 0, bytes, outer);
  const limit = pLimit(remote ? REQUESTS_AT_ONCE : 1);
  const parts = await Promise.all(
    outer.map(entry =>
      limit(async () => {
        if (!inner(entry.path)) return [entry];
        const files: TarEntry[] = [];
        await walk(place, `${place}:${entry.path}`, entry.offset, entry.offset + entry.bytes, files);
        return files.map(file => ({ ...file, path: `${entry.path}/${file.path}` }));
      }),
    ),
  );
  const entries = parts.flat();
  mkdirSync(join(cacheDirectory(), 'indexes'), { recursive: true });
  const record: z.infer<typeof Kept> = {
    format: FORMAT,
    stamp,
    paths: entries.map(entry => entry.path),
    offsets: entries.map(entry => entry.offset),
    bytes: entries.map(entry => entry.bytes),
  };
  await writeFileAtomic(path, JSON.stringify(record));
  return { container: place, entries };
}

async function describe(place: string): Promise<{ bytes: number; version: string }> {
  if (isAddress(place)) return describeAddress(place);
  try {
    const { size, mtimeMs } = statSync(place);
    return { bytes: size, version: String(mtimeMs) };
  } catch (cause) {
    throw new DatasetNotFoundError(
      'archive',
      [place],
      `datasets: there is no archive ${place} (${(cause as Error).message})`,
    );
  }
}

/** undefined where there is none, or one of another archive. */
function readKept(path: string, stamp: string): TarEntry[] | undefined {
  try {
    const kept = Kept.parse(JSON.parse(readFileSync(path, 'utf8')));
    const count = kept.paths.length;
    if (kept.stamp !== stamp || kept.offsets.length !== count || kept.bytes.length !== count)
      return undefined;
    return kept.paths.map((name, i) => ({ path: name, offset: kept.offsets[i]!, bytes: kept.bytes[i]! }));
  } catch {
    return undefined; // it is made again
  }
}

async function walkFile(
  place: string,
  name: string,
  start: number,
  end: number,
  entries: TarEntry[],
): Promise<void> {
  const reader = new LocationReader();
  try {
    const walk = walkTar(name, start, end, entry => entries.push(entry));
    let reads = 0;
    for (let step = walk.next(); !step.done; ) {
      step = walk.next(reader.readFile(place, step.value.offset, step.value.bytes));
      if (++reads % ENTRIES_A_TURN === 0) await setImmediate();
    }
  } finally {
    reader.close();
  }
}

async function walkRemote(
  place: string,
  name: string,
  start: number,
  end: number,
  entries: TarEntry[],
): Promise<void> {
  const walk = walkTar(name, start, end, entry => entries.push(entry));
  for (let step = walk.next(); !step.done; )
    step = walk.next(await readRange(place, step.value.offset, step.value.bytes));
}
