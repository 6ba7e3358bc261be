/** Unpacks a bundle from one `.tar.gz`, in memory and within limits; the same in Node and in a browser. */
import { gunzip } from '#files';
import { GunzipError } from '../../files/gunzip.js';
import { UnsafeBundleError } from '../errors.js';
import { type Bytes, isSafePath, MANIFEST_FILE, MAX_ENTRIES } from '../manifest.js';
import { isSealBroken } from './seal.js';
import { shown, TarError, tarEntries } from './tar.js';
import { unpackLimit } from './unpackLimit.js';

/**
 * Takes archives of other tar programs too, with the bundle at the top or in one folder.
 * @param bundle the archive's path, for errors
 * @throws UnsafeBundleError for damage, links, paths that leave the folder, duplicates, and more than the limits allow
 */
export async function unpackArchive(bundle: string, archive: Bytes): Promise<Map<string, Bytes>> {
  const refuse = (problem: string, cause?: unknown) =>
    new UnsafeBundleError(bundle, 'the archive', problem, cause === undefined ? undefined : { cause });
  if (await isSealBroken(archive))
    throw refuse('is damaged: its bytes are not those that were published; get it again');
  try {
    const tar = await gunzip(archive, unpackLimit(archive.byteLength));
    if (tar[0] === 0x1f && tar[1] === 0x8b)
      throw new TarError('is compressed twice; expected a tar inside the gzip');
    return withoutTopFolder(filesIn(tar));
  } catch (error) {
    if (error instanceof TarError || error instanceof GunzipError)
      throw refuse(error.message, error.cause ?? error);
    throw error;
  }
}

function filesIn(tar: Bytes): Map<string, Bytes> {
  const files = new Map<string, Bytes>();
  const seen = new Set<string>();
  for (const { path: given, kind, type, bytes } of tarEntries(tar)) {
    const path = given.replace(/^(\.\/)+/, '').replace(/\/$/, '');
    if (kind === 'other')
      throw new TarError(`has an entry ${shown(given)} of type ${type}; only files and folders are allowed`);
    if (kind === 'folder' && (path === '' || path === '.')) continue;
    // One folder around the bundle may be named freely, within the same letters.
    if (!isSafePath(path))
      throw new TarError(`has an entry ${shown(given)}, which could leave the folder or hide in it`);
    if (seen.has(path.toLowerCase())) throw new TarError(`has two entries ${shown(given)}`);
    seen.add(path.toLowerCase());
    if (seen.size > MAX_ENTRIES) throw new TarError(`has more than ${MAX_ENTRIES} entries`);
    if (kind === 'file') files.set(path, bytes);
  }
  return files;
}

function withoutTopFolder(files: Map<string, Bytes>): Map<string, Bytes> {
  const first = files.keys().next().value ?? '';
  const top = first.slice(0, first.indexOf('/') + 1);
  if (files.has(MANIFEST_FILE) || top === '' || !files.has(top + MANIFEST_FILE)) return files;
  const inside = [...files].filter(([path]) => path.startsWith(top));
  return inside.length < files.size
    ? files
    : new Map(inside.map(([path, bytes]) => [path.slice(top.length), bytes]));
}
