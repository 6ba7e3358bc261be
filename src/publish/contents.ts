/** Decides whether the files of a bundle are exactly those that were published; pure, so that a browser can do it. */
import { sha256 } from '#files';
import { digestsOf, isDamagedDigest, parseSums } from './digests.js';
import { BundleError, CorruptBundleError, NotABundleError } from './errors.js';
import { type LayersFiles, parseLayersFiles } from './layersModel.js';
import {
  type Bytes,
  isSafePath,
  MANIFEST_FILE,
  type Manifest,
  newerVersion,
  parseManifest,
  SUMS_FILE,
  TOPOLOGY_FILE,
} from './manifest.js';

export interface Contents {
  /** Present when padezoo.json could be read, whatever is wrong with the rest. */
  readonly manifest?: Manifest;
  /** Present when there are no problems. */
  readonly layers?: LayersFiles;
  /** What is listed first explains what follows. */
  readonly problems: readonly BundleError[];
}

/** What tells a file from all others. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

export interface CheckOptions {
  /** Which of the files must be there; the others may be left out. Default: all. */
  readonly wanted?: (path: string) => boolean;
  /** Of files that were hashed already, whose bytes may be left out then. */
  readonly digests?: ReadonlyMap<string, FileDigest>;
}

const AGAIN = 'the file was changed or damaged, get the checkpoint again';

/**
 * Checks padezoo.json against SHA256SUMS, every other file against padezoo.json, and only then parses the others.
 * @param bundle how errors name the bundle
 * @param files by path
 */
export async function checkContents(
  bundle: string,
  files: ReadonlyMap<string, Bytes>,
  { wanted = () => true, digests: known = new Map() }: CheckOptions = {},
): Promise<Contents> {
  const sizeOf = (path: string) => known.get(path)?.bytes ?? files.get(path)?.byteLength;
  const problems: BundleError[] = [];
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const corrupt = (file: string, problem: string) =>
    problems.push(new CorruptBundleError(bundle, file, problem));

  const manifestBytes = files.get(MANIFEST_FILE);
  const sumsBytes = files.get(SUMS_FILE);
  if (manifestBytes === undefined) {
    const problem = 'is missing; this is not a padezoo checkpoint, or not all of one';
    return { problems: [new NotABundleError(bundle, MANIFEST_FILE, problem)] };
  }
  if (sumsBytes === undefined) corrupt(SUMS_FILE, 'is missing; get the checkpoint again');
  const sums = sumsBytes && attempt(() => parseSums(bundle, sumsBytes));

  let manifest: Manifest | undefined;
  const digest = known.get(MANIFEST_FILE)?.sha256 ?? (await sha256(manifestBytes));
  const listed = sums?.get(MANIFEST_FILE);
  if (sums === undefined || listed === digest) {
    manifest = attempt(() => parseManifest(bundle, manifestBytes));
  } else if (listed === undefined) {
    corrupt(SUMS_FILE, `has no line for ${MANIFEST_FILE}; ${AGAIN}`);
  } else if (isDamagedDigest(listed, digest)) {
    corrupt(SUMS_FILE, `has ${listed} for ${MANIFEST_FILE}, expected ${digest}; ${AGAIN}`);
    manifest = attempt(() => parseManifest(bundle, manifestBytes));
  } else {
    const newer = versionHint(manifestBytes);
    corrupt(MANIFEST_FILE, `has sha256 ${digest}, ${SUMS_FILE} says ${listed}; ${AGAIN}${newer}`);
  }

  // Without a manifest to believe, SHA256SUMS still tells which of the other files are intact.
  const expected = new Map<string, { sha256: string; bytes?: number }>();
  if (manifest) for (const file of manifest.files) expected.set(file.path, file);
  else for (const [path, sha] of sums ?? []) if (path !== MANIFEST_FILE) expected.set(path, { sha256: sha });
  const authority = manifest ? MANIFEST_FILE : SUMS_FILE;

  const toHash = [...expected].flatMap(([path, { bytes }]) => {
    const file = known.has(path) ? undefined : files.get(path);
    return file && (bytes === undefined || bytes === file.byteLength) ? [[path, file] as const] : [];
  });
  const digests = await digestsOf(toHash);
  for (const [path, entry] of expected) {
    const bytes = sizeOf(path);
    if (bytes === undefined && !wanted(path)) continue;
    if (bytes === undefined) {
      corrupt(path, `is missing, ${authority} lists it; get the checkpoint again`);
    } else if (entry.bytes !== undefined && bytes !== entry.bytes) {
      corrupt(path, `has ${bytes} bytes, ${authority} says ${entry.bytes}; ${AGAIN}`);
    } else {
      const found = known.get(path)?.sha256 ?? digests.get(path)!;
      if (found !== entry.sha256)
        corrupt(path, `has sha256 ${found}, ${authority} says ${entry.sha256}; ${AGAIN}`);
    }
  }
  if (manifest && sums) {
    const paths = new Set([...expected.keys(), ...sums.keys()]);
    paths.delete(MANIFEST_FILE);
    for (const path of paths) {
      const [said, right] = [sums.get(path), expected.get(path)?.sha256];
      if (said === right) continue;
      corrupt(
        SUMS_FILE,
        `has ${said ?? 'no line'} for ${path}, ${MANIFEST_FILE} says ${right ?? 'nothing'}; ${AGAIN}`,
      );
    }
  }
  for (const path of manifest || sums ? new Set([...files.keys(), ...known.keys()]) : []) {
    if (path === MANIFEST_FILE || path === SUMS_FILE || expected.has(path)) continue;
    const shown = isSafePath(path) ? path : JSON.stringify(path);
    corrupt(shown, `is not listed in ${authority}; remove it, or get the checkpoint again`);
  }
  const layers =
    problems.length === 0 && files.has(TOPOLOGY_FILE)
      ? attempt(() => parseLayersFiles(bundle, files))
      : undefined;
  return { ...(manifest && { manifest }), ...(layers && { layers }), problems };
}

/** A version that was edited by hand, or a later format that lists its digests elsewhere, looks like damage. */
function versionHint(bytes: Bytes): string {
  try {
    const version = newerVersion(JSON.parse(new TextDecoder().decode(bytes)));
    return version === undefined
      ? ''
      : ` (it says format version ${version}: if that is so, upgrade padezoo)`;
  } catch {
    return ''; // not JSON any more: the digest has said enough
  }
}
