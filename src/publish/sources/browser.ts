/** Where a browser gets a bundle from: a URL, relative to the page or not; a package of npm through a public mirror. */
import { NotABundleError } from '../errors.js';
import type { Bytes } from '../manifest.js';
import { type Extent, fetchFiles } from '../remoteFiles.js';
import { addressOf, isArchive, PACKAGE_FOLDER } from './addresses.js';

const NPM_MIRROR = 'https://cdn.jsdelivr.net/npm';

/** @throws BundleError */
export async function readSource(bundle: string, extent: Extent): Promise<Map<string, Bytes>> {
  const address = addressOf(bundle);
  const url =
    address.kind === 'url'
      ? address.url
      : address.kind === 'npm'
        ? `${NPM_MIRROR}/${address.name}/${PACKAGE_FOLDER}/`
        : new URL(bundle, document.baseURI).href;
  if (isArchive(url)) {
    const problem = 'is an archive, which Node alone unpacks; in a browser give the URL of the folder';
    throw new NotABundleError(bundle, 'the URL', problem);
  }
  return fetchFiles(bundle, url, extent);
}
