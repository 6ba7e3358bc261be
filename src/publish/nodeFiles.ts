/** The one place where a bundle meets a file system: read with limits, written beside, synced and renamed. */
import { randomUUID } from 'node:crypto';
import {
  access,
  constants,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ARCHIVE_START, unpackArchive } from './archive.js';
import { BundleTargetError, NotABundleError, UnsafeBundleError } from './errors.js';
import { type Bytes, MANIFEST_FILE, MAX_BUNDLE_BYTES, MAX_ENTRIES } from './manifest.js';

/**
 * Reads a folder or a `.tar.gz`, checking nothing yet but the limits.
 * @returns the files by path, with `/` between folders
 * @throws NotABundleError, UnsafeBundleError
 */
export async function readFiles(bundle: string): Promise<Map<string, Bytes>> {
  const found = await stat(bundle).catch(cause => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw cause;
    throw new NotABundleError(bundle, 'the path', 'does not exist; expected a folder or a .tar.gz', {
      cause,
    });
  });
  if (found.isDirectory()) return readFolder(bundle);
  if (!found.isFile()) throw new NotABundleError(bundle, 'the path', 'is neither a folder nor a .tar.gz');
  checkTotal(bundle, found.size);
  const bytes = plain(await readFile(bundle));
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    throw new NotABundleError(
      bundle,
      'the archive',
      'does not start like a .tar.gz; expected one, or a folder',
    );
  }
  return unpackArchive(bundle, bytes);
}

async function readFolder(bundle: string): Promise<Map<string, Bytes>> {
  const files = new Map<string, Bytes>();
  let entries = 0;
  let total = 0;
  const walk = async (folder: string): Promise<void> => {
    const inside = await readdir(join(bundle, folder), { withFileTypes: true });
    for (const entry of inside.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (++entries > MAX_ENTRIES)
        throw new UnsafeBundleError(bundle, path, `is beyond ${MAX_ENTRIES} entries`);
      if (entry.isDirectory()) await walk(path);
      else if (!entry.isFile()) {
        throw new UnsafeBundleError(
          bundle,
          path,
          'is a link or a device; only files and folders are allowed',
        );
      } else {
        total += (await stat(join(bundle, path))).size;
        checkTotal(bundle, total);
        files.set(path, plain(await readFile(join(bundle, path))));
      }
    }
  };
  await walk('');
  return files;
}

function checkTotal(bundle: string, bytes: number): void {
  if (bytes <= MAX_BUNDLE_BYTES) return;
  throw new UnsafeBundleError(
    bundle,
    'the bundle',
    `has more than ${MAX_BUNDLE_BYTES} bytes, no checkpoint does`,
  );
}

/** Node's Buffer as the plain bytes that it is; `readFile` never gives one on shared memory. */
const plain = (buffer: Buffer): Bytes =>
  new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);

/**
 * Puts a complete bundle at `to`. Until the last rename an older bundle there is untouched, and it is deleted only
 * after the new one is in its place; when the process dies, only hidden files beside it are left.
 * @param entries safe paths and their bytes, written in this order
 * @param archive the bytes of `<to>.tar.gz`, when there is to be one
 * @param marker what an older one has in its folder, without which nothing is replaced
 * @throws BundleTargetError when something other than a bundle or an empty folder is there
 */
export async function placeBundle(
  to: string,
  entries: Iterable<readonly [string, Bytes]>,
  archive?: Bytes,
  marker = MANIFEST_FILE,
): Promise<{ directory: string; archive?: string }> {
  const { directory, exists } = await checkPlace(to, marker);
  const archivePath = `${directory}.tar.gz`;
  if (archive) await checkArchiveTarget(archivePath);
  const parent = dirname(directory);
  const beside = join(parent, `.${basename(directory)}.${process.pid}-${randomUUID().slice(0, 8)}`);
  const [fresh, freshArchive, old] = [`${beside}.new`, `${beside}.tar.gz`, `${beside}.old`];
  try {
    await mkdir(fresh);
    const folders = new Set([fresh]);
    for (const [path, bytes] of entries) {
      const file = join(fresh, path);
      folders.add(dirname(file));
      await mkdir(dirname(file), { recursive: true });
      await writeSynced(file, bytes);
    }
    for (const folder of folders) await syncFolder(folder);
    if (archive) await writeSynced(freshArchive, archive);

    if (exists) await rename(directory, old);
    try {
      await rename(fresh, directory);
    } catch (error) {
      if (exists) await rename(old, directory);
      throw error;
    }
    if (archive) await rename(freshArchive, archivePath);
    await syncFolder(parent);
    await rm(old, { recursive: true, force: true });
  } finally {
    await rm(fresh, { recursive: true, force: true });
    await rm(freshArchive, { force: true });
  }
  return { directory, ...(archive && { archive: archivePath }) };
}

/**
 * Makes sure that a bundle can be placed at `to`, and its parent folder: before hours of work, too, whose result goes there.
 * @returns `exists`: whether there is an older bundle or an empty folder to replace
 * @throws BundleTargetError when something else is there; the system's error when the parent cannot be made or written to
 */
export async function checkPlace(
  to: string,
  marker = MANIFEST_FILE,
): Promise<{ directory: string; exists: boolean }> {
  const directory = await realpath(to).catch(() => resolve(to));
  const exists = await checkTarget(directory, marker);
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true });
  await access(parent, constants.W_OK);
  return { directory, exists };
}

async function checkTarget(directory: string, marker: string): Promise<boolean> {
  const found = await lstat(directory).catch(missing);
  if (found === undefined) return false;
  if (!found.isDirectory())
    throw new BundleTargetError(directory, 'is a file, expected a checkpoint or nothing');
  const inside = await readdir(directory);
  if (inside.length > 0 && !inside.includes(marker)) {
    throw new BundleTargetError(directory, `is a folder without ${marker}, so not a checkpoint to replace`);
  }
  return true;
}

async function checkArchiveTarget(path: string): Promise<void> {
  const handle = await open(path).catch(missing);
  if (handle === undefined) return;
  try {
    const start = Buffer.alloc(ARCHIVE_START.length);
    if ((await handle.stat()).isFile()) await handle.read(start, 0, start.length, 0);
    if (!start.equals(ARCHIVE_START))
      throw new BundleTargetError(path, 'is not an archive that padezoo wrote');
  } finally {
    await handle.close();
  }
}

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

async function writeSynced(path: string, bytes: Bytes): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // has no such thing
  const handle: FileHandle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The version of the package that this file is part of. */
export async function packageVersion(): Promise<string> {
  return JSON.parse(new TextDecoder().decode(await packageFile('package.json'))).version;
}

/** @param path in the package that this file is part of */
export async function packageFile(path: string): Promise<Bytes> {
  return plain(await readFile(new URL(`../../../${path}`, import.meta.url))); // from dist/src/publish
}
