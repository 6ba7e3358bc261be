/** Puts a bundle where it belongs on a disk: written beside, synced and renamed. */
import { randomUUID } from 'node:crypto';
import {
  access,
  constants,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { packArchive } from './archive/pack.js';
import { ARCHIVE_START } from './archive/seal.js';
import { BundleTargetError } from './errors.js';
import { type Bytes, MANIFEST_FILE } from './manifest.js';

/**
 * Puts a complete bundle at `to`. Until the last rename an older bundle there is untouched, and it is deleted only
 * after the new one is in its place; when the process dies, only hidden files beside it are left.
 * @param files by safe paths, written in their order
 * @param archived whether there is to be a `<to>.tar.gz` with the same files
 * @param marker what an older one has in its folder, without which nothing is replaced
 * @throws BundleTargetError when something other than a bundle or an empty folder is there
 */
export async function placeBundle(
  to: string,
  files: ReadonlyMap<string, Bytes>,
  {
    archived = false,
    marker = MANIFEST_FILE,
  }: { readonly archived?: boolean; readonly marker?: string } = {},
): Promise<{ directory: string; archive?: string }> {
  const { directory, exists } = await checkPlace(to, marker);
  const archivePath = `${directory}.tar.gz`;
  if (archived) await checkArchiveTarget(archivePath);
  const parent = dirname(directory);
  const beside = join(parent, `.${basename(directory)}.${process.pid}-${randomUUID().slice(0, 8)}`);
  const [fresh, freshArchive, old] = [`${beside}.new`, `${beside}.tar.gz`, `${beside}.old`];
  try {
    const writing = [writeFolder(fresh, files), ...(archived ? [writeArchive(freshArchive, files)] : [])];
    await Promise.allSettled(writing); // neither goes on where the other failed and all is removed
    await Promise.all(writing);

    if (exists) await rename(directory, old);
    try {
      await rename(fresh, directory);
    } catch (error) {
      if (exists) await rename(old, directory);
      throw error;
    }
    if (archived) await rename(freshArchive, archivePath);
    await syncFolder(parent);
    await rm(old, { recursive: true, force: true });
  } finally {
    await rm(fresh, { recursive: true, force: true });
    await rm(freshArchive, { force: true });
  }
  return { directory, ...(archived && { archive: archivePath }) };
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

async function writeFolder(folder: string, files: ReadonlyMap<string, Bytes>): Promise<void> {
  await mkdir(folder);
  const folders = new Set([folder]);
  for (const [path, bytes] of files) {
    const file = join(folder, path);
    folders.add(dirname(file));
    await mkdir(dirname(file), { recursive: true });
    await writeSynced(file, handle => handle.writeFile(bytes));
  }
  for (const each of folders) await syncFolder(each);
}

function writeArchive(path: string, files: ReadonlyMap<string, Bytes>): Promise<void> {
  return writeSynced(path, handle =>
    packArchive(files, (bytes, position) => handle.write(bytes, 0, bytes.length, position)),
  );
}

async function writeSynced(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await write(handle);
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
