/** Where Node gets a bundle from: a folder, an archive, a URL of either, an installed package, the Hugging Face hub. */
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { unpackArchive } from '../archive/unpack.js';
import { NotABundleError } from '../errors.js';
import { isLayersFile, MANIFEST_FILE, SUMS_FILE } from '../manifest.js';
import { checkTotal, readFolder } from '../readFolder.js';
import { fetchArchive, fetchFiles } from '../remoteFiles.js';
import { addressOf, HUB, isArchive, PACKAGE_FOLDER } from './addresses.js';
import type { Extent, Source } from './source.js';

/** @throws BundleError */
export async function readSource(bundle: string, extent: Extent): Promise<Source> {
  const address = addressOf(bundle, process.env.HF_ENDPOINT ?? HUB);
  if (address.kind === 'path') return readPath(bundle, extent);
  if (address.kind === 'npm') return readPath(folderOf(bundle, address.name), extent);
  return isArchive(address.url) ? fetchArchive(bundle, address.url) : fetchFiles(bundle, address.url, extent);
}

/** A folder or a `.tar.gz`; nothing is checked yet but the limits. */
async function readPath(bundle: string, extent: Extent): Promise<Source> {
  const found = await stat(bundle).catch(cause => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw cause;
    throw new NotABundleError(bundle, 'the path', 'does not exist; expected a folder or a .tar.gz', {
      cause,
    });
  });
  if (found.isDirectory()) {
    const needed = (path: string) => isLayersFile(path) || path === MANIFEST_FILE || path === SUMS_FILE;
    return readFolder(bundle, extent === 'all' ? () => true : needed);
  }
  if (!found.isFile()) throw new NotABundleError(bundle, 'the path', 'is neither a folder nor a .tar.gz');
  checkTotal(bundle, found.size);
  const { buffer, byteOffset, length } = await readFile(bundle);
  // A Buffer of `readFile` is never on shared memory.
  const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    throw new NotABundleError(
      bundle,
      'the archive',
      'does not start like a .tar.gz; expected one, or a folder',
    );
  }
  return { files: await unpackArchive(bundle, bytes) };
}

/** Of a package that the program in this folder could import. */
function folderOf(bundle: string, name: string): string {
  try {
    const manifest = createRequire(join(process.cwd(), 'index.js')).resolve(`${name}/package.json`);
    return join(dirname(manifest), PACKAGE_FOLDER);
  } catch (cause) {
    throw new NotABundleError(bundle, 'the package', `is not installed here; run npm install ${name}`, {
      cause,
    });
  }
}
