/** Finds the files of a small data set on this machine: given directory, shared folder, cache, system package, subset. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Task } from '../src/task.js';
import { type DownloadEvent, download } from './download.js';
import { DatasetNotFoundError } from './errors.js';
import { cacheDirectory, packageDirectory } from './places.js';
import type { ExpectedFile, Source } from './sources.js';

/** What a data set's files are, and where they can be. */
export interface FileSet {
  /** As in `datasets.create`; also the folder's name in `PADEZOO_DATA` and in the cache. */
  readonly name: string;
  /** For messages: `'datasets.mnist'`. */
  readonly where: string;
  /** The full set's. */
  readonly files: readonly ExpectedFile[];
  readonly sources: readonly Source[];
  /** Where a Debian package puts them. */
  readonly debian?: { readonly package: string; readonly directory: string };
  /** Folder in `datasets/embedded` of a subset that ships. */
  readonly embedded?: string;
  /** A look at a user's directory, before its files are missed; it may throw what explains better. */
  readonly inspect?: (directory: string) => void;
  /** The official archive, which may lie where the files are missed; its `.gz` may be gone, as browsers like to do. */
  readonly archive?: { readonly name: string; readonly bytes: number };
}

export type Edition = 'full' | 'embedded' | 'own';

/** Where the files are, and what they must be. */
export interface Place {
  readonly directory: string;
  /** For people. */
  readonly source: string;
  /** What makes the same data again, on another machine if possible. */
  readonly options: SourceOptions;
  /** `'own'`: a user's files, of any number of images. */
  readonly edition: Edition;
  /** Ends an error message about a file. */
  readonly remedy: string;
  readonly fetch: boolean;
}

/** The two options that say where a data set's files are. */
export const sourceShape = {
  /**
   * - `'auto'`: `directory` if given, else the full set where this machine has it, else a subset that ships, if any does
   * - `'full'`: the full set where this machine has it, else an error; the record of an `'auto'` that found it
   * - `'embedded'`: the subset that ships
   * - `'directory'`: `directory`
   * - `'cache'`, `'debian'`: the full set in padezoo's cache, in Debian's package
   * - `'download'`: the cache, filled on first use
   */
  source: z.enum(['auto', 'full', 'embedded', 'directory', 'cache', 'debian', 'download']).default('auto'),
  /** Holds the files under their official names, with or without `.gz`. */
  directory: z.string().min(1).optional(),
};
export interface SourceOptions {
  source?: 'auto' | 'full' | 'embedded' | 'directory' | 'cache' | 'debian' | 'download' | undefined;
  directory?: string | undefined;
}

/** Adds the two rules that tie `source` and `directory` together. */
export function withSourceRules<Schema extends z.ZodType<SourceOptions>>(schema: Schema): Schema {
  return schema
    .refine(({ source, directory }) => source !== 'directory' || directory !== undefined, {
      error: "source 'directory' needs the option directory",
    })
    .refine(
      ({ source, directory }) => directory === undefined || source === 'auto' || source === 'directory',
      { error: "directory goes with source 'directory' or 'auto' alone" },
    );
}

/**
 * The full set is looked for in `$PADEZOO_DATA/NAME`, padezoo's cache (`PADEZOO_CACHE`, else the platform's) and Debian's
 * package, where there is one.
 * @throws DatasetNotFoundError
 */
export function findPlace(set: FileSet, { source = 'auto', directory }: SourceOptions): Place {
  if (directory !== undefined) {
    requireFiles(set, directory);
    return {
      directory,
      source: `directory ${directory}`,
      options: { source: 'directory', directory },
      edition: 'own',
      remedy: 'get that file again or give another directory',
      fetch: false,
    };
  }
  if (source === 'embedded') return embeddedPlace(set);
  if (source === 'download')
    return { ...fullPlace(set, cachePlace(set), 'cache'), options: { source }, fetch: true };
  if (source === 'cache' || (source === 'debian' && set.debian)) {
    const place = fullPlace(set, source === 'cache' ? cachePlace(set) : set.debian!.directory, source);
    requireFiles(set, place.directory);
    return place;
  }

  const shared = process.env.PADEZOO_DATA;
  const candidates = [
    ...(shared ? [fullPlace(set, join(shared, set.name), 'PADEZOO_DATA')] : []),
    fullPlace(set, cachePlace(set), 'cache'),
    ...(set.debian ? [fullPlace(set, set.debian.directory, 'debian')] : []),
  ];
  const found = candidates.find(candidate => isComplete(set, candidate.directory));
  if (found && source !== 'debian') return found;
  if (source === 'auto' && set.embedded) return embeddedPlace(set);
  const searched = candidates.map(candidate => candidate.directory);
  for (const directory of searched) set.inspect?.(directory);
  const [first, ...others] = set.files.map(file => plainName(file.name));
  throw new DatasetNotFoundError(
    set.name,
    searched,
    `${set.where}: the full set is not on this machine, looked for ${first} and its ${others.length} companions in ` +
      `${searched.join(', ')}; run \`padezoo data fetch ${set.name}\`, or use { source: 'download' } to fetch it` +
      (set.embedded ? " or { source: 'embedded' } for the subset" : ''),
  );
}

/** Fetches the full set into `to` (padezoo's cache by default), unless it is there. */
export function downloadSet(
  set: FileSet,
  { to, signal }: { readonly to?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Task<DownloadEvent, string> {
  return download({
    dataset: set.name,
    files: set.files,
    sources: set.sources,
    to: to ?? cachePlace(set),
    signal,
  });
}

/** Makes sure, before reading, that a place to be filled is filled; once for all who wait. */
export function fetchOnce(set: FileSet, place: Place): () => Promise<void> {
  let running: Promise<unknown> | undefined;
  return async () => {
    if (!place.fetch || isComplete(set, place.directory)) return;
    running ??= Promise.resolve(downloadSet(set, { to: place.directory })).finally(() => {
      running = undefined;
    });
    await running;
  };
}

/** @throws DatasetNotFoundError that names what is missing */
export function requireFiles(set: FileSet, directory: string): void {
  if (isComplete(set, directory)) return;
  const missing = missingFrom(set, directory);
  set.inspect?.(directory);
  throw new DatasetNotFoundError(
    set.name,
    [directory],
    `${set.where}: ${directory} has no ${missing.join(', ')} (with or without .gz); give the directory that holds the ` +
      `${set.files.length} official files${set.archive ? ` or ${set.archive.name}` : ''}, or use { source: 'download' } to fetch them`,
  );
}

/** @param name with or without `.gz` */
export function pathIn(directory: string, name: string): string | undefined {
  const path = join(directory, plainName(name));
  return [path, `${path}.gz`].find(existsSync);
}

/** Where the archive of all files lies, if it does. */
export function archiveIn({ archive }: FileSet, directory: string): string | undefined {
  return archive && pathIn(directory, archive.name);
}

export function plainName(name: string): string {
  return name.replace(/\.gz$/, '');
}

/** Every file is there, or the archive of them. */
function isComplete(set: FileSet, directory: string): boolean {
  return missingFrom(set, directory).length === 0 || archiveIn(set, directory) !== undefined;
}

function missingFrom({ files }: FileSet, directory: string): string[] {
  return files.map(file => plainName(file.name)).filter(name => pathIn(directory, name) === undefined);
}

function cachePlace({ name }: FileSet): string {
  return join(cacheDirectory(), 'datasets', name);
}

function fullPlace(set: FileSet, directory: string, kind: 'PADEZOO_DATA' | 'cache' | 'debian'): Place {
  return {
    directory,
    source: `${kind} ${directory}`,
    options: { source: 'full' },
    edition: 'full',
    remedy:
      kind === 'debian'
        ? `reinstall the package ${set.debian!.package}`
        : `delete it and run \`padezoo data fetch ${set.name}\``,
    fetch: false,
  };
}

function embeddedPlace(set: FileSet): Place {
  if (!set.embedded)
    throw new DatasetNotFoundError(
      set.name,
      [],
      `${set.where}: no subset of it ships with padezoo; run \`padezoo data fetch ${set.name}\`, or use { source: 'download' }`,
    );
  return {
    directory: join(packageDirectory(), 'datasets', 'embedded', set.embedded),
    source: 'embedded subset',
    options: { source: 'embedded' },
    edition: 'embedded',
    remedy: 'reinstall padezoo',
    fetch: false,
  };
}
