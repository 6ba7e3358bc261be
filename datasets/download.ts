/** Fetches the files of a data set from several sources in turn, and keeps only bytes with the right checksum. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { Task } from '../src/task.js';
import { DownloadError } from './errors.js';

/** One gzip file; two sources may compress it differently, so its contents are what is checked. */
export interface GzipFile {
  readonly name: string;
  /** Of the uncompressed contents, in hexadecimal. */
  readonly sha256: string;
  /** Of the uncompressed contents. */
  readonly bytes: number;
}

export type Source =
  /** Files at `url` + name. */
  | { readonly kind: 'http'; readonly url: string }
  /** Files in `directory` of a Debian package, fetched with apt-get and unpacked without root. */
  | { readonly kind: 'debian'; readonly package: string; readonly directory: string };

export type DownloadEvent =
  /** The file lies there already, with the right contents. */
  | { readonly type: 'kept'; readonly file: string }
  | { readonly type: 'source'; readonly source: string }
  /** Compressed bytes; `total` is null where the source does not say. */
  | {
      readonly type: 'progress';
      readonly file: string;
      readonly received: number;
      readonly total: number | null;
    }
  /** Its contents have the right checksum and it was written. */
  | { readonly type: 'verified'; readonly file: string }
  /** The next source is tried. */
  | { readonly type: 'failed'; readonly source: string; readonly reason: string };

export interface DownloadOptions {
  readonly dataset: string;
  readonly files: readonly GzipFile[];
  /** Tried in this order until every file is there. */
  readonly sources: readonly Source[];
  /** The directory to write to; made if it is missing. */
  readonly to: string;
  readonly signal?: AbortSignal | undefined;
}

const STALL_MS = 20_000; // no byte for this long: the next source may be alive
const GZIP_OVERHEAD_BYTES = 2 ** 16; // gzip grows incompressible data by less than 0.1 %; far above that is not the file

const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip);
const run = promisify(execFile);

/**
 * The task's result is the directory. Leaving its loop stops the transfer; files that were verified stay.
 * @throws DownloadError when no source gave the right bytes; the signal's reason when aborted
 */
export function download(options: DownloadOptions): Task<DownloadEvent, string> {
  return new Task(() => fetchAll(options));
}

async function* fetchAll(options: DownloadOptions): AsyncGenerator<DownloadEvent, string, void> {
  const { dataset, files, sources, to, signal } = options;
  signal?.throwIfAborted();
  await mkdir(to, { recursive: true });

  const missing = new Set<GzipFile>();
  for (const file of files) {
    if (await liesIn(to, file)) yield { type: 'kept', file: file.name };
    else missing.add(file);
  }

  const attempts: string[] = [];
  let lastError: unknown;
  for (const source of sources) {
    if (missing.size === 0) break;
    const label = source.kind === 'http' ? source.url : `Debian package ${source.package}`;
    yield { type: 'source', source: label };
    try {
      const transfer =
        source.kind === 'http' ? fromHttp(source, missing, signal) : fromDebian(source, missing, signal);
      for await (const event of transfer) {
        if (event.type === 'progress') {
          yield event;
          continue;
        }
        await verify(event.file, event.contents);
        await writeWhole(join(to, event.file.name), event.contents);
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

type Transfer = AsyncGenerator<
  | Extract<DownloadEvent, { type: 'progress' }>
  | { readonly type: 'arrived'; readonly file: GzipFile; readonly contents: Uint8Array },
  void
>;

async function* fromHttp(
  source: Extract<Source, { kind: 'http' }>,
  files: ReadonlySet<GzipFile>,
  signal: AbortSignal | undefined,
): Transfer {
  for (const file of [...files]) {
    signal?.throwIfAborted();
    const transfer = new AbortController();
    const stop = () => transfer.abort(signal?.reason);
    signal?.addEventListener('abort', stop);
    const stalled = () => transfer.abort(new Error(`no byte for ${STALL_MS / 1000} s`));
    let timer = setTimeout(stalled, STALL_MS);
    try {
      const response = await fetch(new URL(file.name, source.url), { signal: transfer.signal });
      if (!response.ok || !response.body) throw new Error(`${file.name}: HTTP ${response.status}`);
      const total = Number(response.headers.get('content-length')) || null;
      const limit = file.bytes + GZIP_OVERHEAD_BYTES;
      const chunks: Uint8Array[] = [];
      let received = 0;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        chunks.push(chunk);
        received += chunk.length;
        if (received > limit) throw new Error(`${file.name} is longer than ${limit} bytes`);
        yield { type: 'progress', file: file.name, received, total };
        timer = setTimeout(stalled, STALL_MS);
      }
      yield { type: 'arrived', file, contents: Buffer.concat(chunks) };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      transfer.abort(); // the loop may have been left in the middle of the body
    }
  }
}

async function* fromDebian(
  source: Extract<Source, { kind: 'debian' }>,
  files: ReadonlySet<GzipFile>,
  signal: AbortSignal | undefined,
): Transfer {
  const workshop = await mkdtemp(join(tmpdir(), 'padezoo-'));
  try {
    await run('apt-get', ['download', source.package], { cwd: workshop, signal });
    const archive = (await readdir(workshop)).find(name => name.endsWith('.deb'));
    if (!archive) throw new Error(`apt-get downloaded no ${source.package}`);
    await run('dpkg', ['-x', archive, 'unpacked'], { cwd: workshop, signal });
    for (const file of [...files]) {
      const contents = await readFile(join(workshop, 'unpacked', source.directory, file.name));
      yield { type: 'progress', file: file.name, received: contents.length, total: contents.length };
      yield { type: 'arrived', file, contents };
    }
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

async function liesIn(directory: string, file: GzipFile): Promise<boolean> {
  try {
    await verify(file, await readFile(join(directory, file.name)));
    return true;
  } catch {
    return false; // absent or damaged: either way it is fetched
  }
}

async function verify(file: GzipFile, contents: Uint8Array): Promise<void> {
  const plain = await gunzip(contents, { maxOutputLength: file.bytes + 1 }).catch((cause: Error) => {
    throw new Error(`${file.name} is not the gzip file that was expected: ${cause.message}`, { cause });
  });
  const sha256 = createHash('sha256').update(plain).digest('hex');
  if (sha256 !== file.sha256)
    throw new Error(`${file.name}: contents have sha256 ${sha256}, not ${file.sha256}`);
}

/** Beside, synced, renamed: under its own name the file is whole or absent. */
async function writeWhole(path: string, contents: Uint8Array): Promise<void> {
  const beside = `${path}.${process.pid}.partial`;
  try {
    const file = await open(beside, 'w');
    try {
      await file.writeFile(contents);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } finally {
    await rm(beside, { force: true });
  }
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
