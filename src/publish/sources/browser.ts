/** Where a browser gets a bundle from: a URL, relative to the page or not; a package of npm through a public mirror. */
import { fetchArchive, fetchFiles } from '../remoteFiles.js';
import { addressOf, isArchive, PACKAGE_FOLDER } from './addresses.js';
import type { Extent, Source } from './source.js';

const NPM_MIRROR = 'https://cdn.jsdelivr.net/npm';

/** @throws BundleError */
export async function readSource(bundle: string, extent: Extent): Promise<Source> {
  const address = addressOf(bundle);
  const url =
    address.kind === 'url'
      ? address.url
      : address.kind === 'npm'
        ? `${NPM_MIRROR}/${address.name}/${PACKAGE_FOLDER}/`
        : new URL(bundle, document.baseURI).href;
  return isArchive(url) ? fetchArchive(bundle, url) : fetchFiles(bundle, url, extent);
}
