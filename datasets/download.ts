/** Fetches the files of a data set from several sources in turn, and keeps only bytes with the right checksum. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import writeFileAtomic from 'write-file-atomic';
import { Task } from '../src/task.js';
import { mismatch } from './checksum.js';
import { DownloadError } from './errors.js';
import { gunzip, isGzip } from './gzip.js';
import { type Arrival, deliver, describeSource, type ExpectedFile, type Source } from './sources.js';
import type { Progress } from './transfer.js';

export type DownloadEvent =
  /** The file lies there already, with the right contents. */
  | { readonly type: 'kept'; readonly file: string }
  | { readonly type: 'source'; readonly source: string }
  /** Bytes of the file, or of the archive that holds the files. */
  | Progress
  /** Its contents have the right checksum and it was written. */
  | { readonly type: 'verified'; readonly file: string }
  /** The next source is tried. */
  | { readonly type: 'failed'; readonly source: string; readonly reason: string };

export interface DownloadOptions {
  readonly dataset: string;
  readonly files: readonly ExpectedFile[];
  /** Tried in this order until every file is there. */
  readonly sources: readonly Source[];
  /** The directory to write to; made if it is missing. */
  readonly to: string;
  readonly signal?: AbortSignal | undefined;
}

const gzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip);

/**
 * The task's result is the directory. Leaving its loop stops the transfer. Files that were verified stay, and a
 * transfer that was broken off goes on where it was when the same source is asked again.
 * @throws DownloadError when no source gave the right bytes; the signal's reason when aborted
 */
export function download(options: DownloadOptions): Task<DownloadEvent, string> {
  return new Task(() => fetchAll(options));
}

async function* fetchAll(options: DownloadOptions): AsyncGenerator<DownloadEvent, string, void> {
  const { dataset, files, sources, to, signal } = options;
  signal?.throwIfAborted();
  await mkdir(to, { recursive: true });

  const missing = new Set<ExpectedFile>();
  for (const file of files) {
    if (await liesIn(to, file)) yield { type: 'kept', file: file.name };
    else missing.add(file);
  }

  const attempts: string[] = [];
  let lastError: unknown;
  for (const source of sources) {
    if (missing.size === 0) break;
    const label = describeSource(source);
    yield { type: 'source', source: label };
    try {
      for await (const event of deliver(source, { files: [...missing], to, signal })) {
        if (event.type === 'progress') {
          yield event;
          continue;
        }
        await verify(event.file, event.contents);
        await writeFileAtomic(join(to, event.file.name), Buffer.from(await asNamed(event)));
        missing.delete(event.file);
        yield { type: 'verified', file: event.file.name };
      }
    } catch (error) {
      signal?.throwIfAborted();
      lastError = error;
      const reason = reasonOf(error);
      attempts.push(`${label} failed (${reason})`);
      yield { type: 'failed', source: label, reason };
    }
  }
  if (missing.size > 0) throw new DownloadError(dataset, attempts, { cause: lastError });
  return to;
}

async function liesIn(directory: string, file: ExpectedFile): Promise<boolean> {
  try {
    await verify(file, await readFile(join(directory, file.name)));
    return true;
  } catch {
    return false; // absent or damaged: either way it is fetched
  }
}

async function verify(file: ExpectedFile, contents: Uint8Array): Promise<void> {
  const plain = isGzip(contents)
    ? await gunzip(contents, { maxOutputLength: file.bytes + 1 }).catch((cause: Error) => {
        throw new Error(`${file.name} is not the gzip file that was expected: ${cause.message}`, { cause });
      })
    : contents;
  const other = mismatch(file.checksum, plain);
  if (other) throw new Error(`${file.name}: contents have ${other}`);
}

/** A source may give plain what is kept as `.gz`. */
async function asNamed({ file, contents }: Arrival): Promise<Uint8Array> {
  return file.name.endsWith('.gz') && !isGzip(contents) ? gzip(contents, {}) : contents;
}

function reasonOf(error: unknown): string {
  const { code, cause, message, stderr } = error as NodeJS.ErrnoException & {
    cause?: unknown;
    stderr?: string;
  };
  if (code === 'ENOENT' && 'path' in (error as object)) return `no ${(error as NodeJS.ErrnoException).path}`;
  if (stderr?.trim()) return stderr.trim().split('\n').at(-1)!;
  return cause instanceof Error && cause.message && message === 'fetch failed' ? cause.message : message;
}
