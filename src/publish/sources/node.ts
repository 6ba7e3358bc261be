/** Where Node gets a bundle from: a folder, an archive, a URL of either, an installed package, the Hugging Face hub. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { unpackArchive } from '../archive.js';
import { NotABundleError } from '../errors.js';
import { type Bytes, MAX_BUNDLE_BYTES } from '../manifest.js';
import { readFiles } from '../nodeFiles.js';
import { bodyOf, type Extent, fetchFiles, fetchResponse } from '../remoteFiles.js';
import { addressOf, HUB, isArchive, PACKAGE_FOLDER } from './addresses.js';

/** @throws BundleError */
export async function readSource(bundle: string, extent: Extent): Promise<Map<string, Bytes>> {
  const address = addressOf(bundle, process.env.HF_ENDPOINT ?? HUB);
  if (address.kind === 'path') return readFiles(bundle);
  if (address.kind === 'npm') return readFiles(folderOf(bundle, address.name));
  if (!isArchive(address.url)) return fetchFiles(bundle, address.url, extent);
  const response = await fetchResponse(bundle, address.url, 'the archive');
  return unpackArchive(bundle, await bodyOf(bundle, response, 'the archive', MAX_BUNDLE_BYTES));
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
