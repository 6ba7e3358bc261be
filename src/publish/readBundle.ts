/** Reads a checkpoint from a folder or a `.tar.gz`: every byte is verified before anything is made of it. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type Contents, checkContents } from './contents.js';
import { BundleError } from './errors.js';
import { buildLayersModel, nonFiniteWeights } from './layersModel.js';
import { type Bytes, type Manifest, WEIGHTS_FILE } from './manifest.js';

export interface Bundle {
  readonly manifest: Manifest;
  /** Every file, the manifest and SHA256SUMS included, by its path in the bundle. */
  readonly files: Map<string, Bytes>;
}

export interface Problem {
  /** Path in the bundle; `'the archive'` or `'the path'` when no file in it is to blame. */
  readonly file: string;
  readonly problem: string;
}

export interface Verification {
  readonly ok: boolean;
  readonly problems: readonly Problem[];
  /** Present when it could be read. */
  readonly manifest?: Manifest;
}

/**
 * @param path a folder or a `.tar.gz`
 * @throws BundleError: NotABundleError, UnsafeBundleError, CorruptBundleError, ManifestError or NewerFormatError, for
 *   the first problem found; it names the file
 */
export async function readBundle(path: string): Promise<Bundle> {
  const { manifest, files } = await verified(path);
  return { manifest, files };
}

/**
 * A verified model on the current engine. The caller owns the model and disposes it.
 * @param path a folder or a `.tar.gz`
 * @throws as `readBundle`; ModelBuildError when its layers are unknown here; no tensor is left behind
 */
export async function loadBundle(path: string): Promise<{ model: LayersModel; manifest: Manifest }> {
  const { manifest, layers } = await verified(path);
  return { model: await buildLayersModel(path, layers), manifest };
}

/**
 * Finds all problems of a checkpoint instead of throwing the first. Weights that are NaN or infinite load, but are a
 * problem here.
 * @param path a folder or a `.tar.gz`
 * @throws only what the file system throws
 */
export async function verifyBundle(path: string): Promise<Verification> {
  let contents: Contents;
  try {
    contents = await checkContents(path, await read(path));
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    contents = { problems: [error] };
  }
  const problems: Problem[] = contents.problems.map(({ file, problem }) => ({ file, problem }));
  for (const [name, values] of contents.layers ? nonFiniteWeights(contents.layers) : []) {
    problems.push({
      file: WEIGHTS_FILE,
      problem: `has ${values} values in ${name} that are NaN or infinite`,
    });
  }
  return { ok: problems.length === 0, problems, ...(contents.manifest && { manifest: contents.manifest }) };
}

async function verified(path: string) {
  const files = await read(path);
  const { manifest, layers, problems } = await checkContents(path, files);
  if (problems.length > 0) throw problems[0];
  return { files, manifest: manifest!, layers: layers! };
}

/** Node is asked for only here, so that the rest can be bundled for a browser. */
const read = async (path: string): Promise<Map<string, Bytes>> =>
  (await import('./nodeFiles.js')).readFiles(path);
