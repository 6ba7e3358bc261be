/** Fetches a bundle from a server, never more than it may have; imports nothing from Node. */
import { readWhole } from '../parts.js';
import { unpackArchive } from './archive/unpack.js';
import { checkContents } from './contents.js';
import { CorruptBundleError, NotABundleError, UnsafeBundleError } from './errors.js';
import {
  type Bytes,
  isLayersFile,
  MANIFEST_FILE,
  MAX_BUNDLE_BYTES,
  type Manifest,
  parseManifest,
  SUMS_FILE,
} from './manifest.js';
import type { Extent, Source } from './sources/source.js';

/** Of the manifest and of SHA256SUMS: a thousand files and a history of pruning are far below. */
const MAX_TEXT_BYTES = 32 * 2 ** 20;
/** Files on their way at once. */
const PARALLEL = 6;

/** @throws NotABundleError, UnsafeBundleError */
export async function fetchArchive(bundle: string, url: string): Promise<Source> {
  const response = await fetchResponse(bundle, url, 'the archive');
  const bytes = await bodyOf(bundle, response, 'the archive', MAX_BUNDLE_BYTES);
  return { files: await unpackArchive(bundle, bytes) };
}

/**
 * File by file.
 * @param base the URL of the folder
 * @returns manifest and sums agree, the others are still to be checked
 * @throws NotABundleError, UnsafeBundleError, CorruptBundleError, ManifestError
 */
export async function fetchFiles(bundle: string, base: string, extent: Extent): Promise<Source> {
  const root = base.endsWith('/') ? base : `${base}/`;
  const files = new Map<string, Bytes>();
  for (const path of [SUMS_FILE, MANIFEST_FILE])
    files.set(path, await fetchFile(bundle, root, path, MAX_TEXT_BYTES));
  const manifest = await trusted(bundle, files);
  const wanted = manifest.files.filter(({ path }) => extent === 'all' || isLayersFile(path));
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MAX_BUNDLE_BYTES)
    throw new UnsafeBundleError(bundle, 'the bundle', `declares ${total} bytes, no checkpoint has so many`);
  const waiting = [...wanted];
  const fetchNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      files.set(next.path, await fetchFile(bundle, root, next.path, next.bytes));
  };
  await Promise.all(Array.from({ length: PARALLEL }, fetchNext));
  return { files };
}

/** Believes a manifest only when SHA256SUMS has its digest. */
async function trusted(bundle: string, files: ReadonlyMap<string, Bytes>): Promise<Manifest> {
  const { problems } = await checkContents(bundle, files, { wanted: () => false });
  if (problems.length > 0) throw problems[0];
  return parseManifest(bundle, files.get(MANIFEST_FILE)!);
}

/** @param limit bytes; a server that sends more is cut off */
async function fetchFile(bundle: string, root: string, path: string, limit: number): Promise<Bytes> {
  const response = await fetchResponse(bundle, new URL(path, root).href, path);
  return bodyOf(bundle, response, path, limit);
}

/** @throws NotABundleError when nothing answers, or with an error */
async function fetchResponse(bundle: string, url: string, file: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new NotABundleError(bundle, file, `cannot be fetched from ${url}: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const problem = `is not at ${url}: the server answers ${response.status}`;
  throw file === MANIFEST_FILE || file === SUMS_FILE
    ? new NotABundleError(bundle, file, `${problem}; expected the URL of a checkpoint's folder or .tar.gz`)
    : new CorruptBundleError(bundle, file, problem);
}

/** @throws UnsafeBundleError beyond the limit */
function bodyOf(bundle: string, response: Response, file: string, limit: number): Promise<Bytes> {
  const tooLarge = () =>
    new UnsafeBundleError(bundle, file, `has more than the ${limit} bytes that it may have`);
  return readWhole(response.body!, limit, tooLarge);
}
