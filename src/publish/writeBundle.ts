/** Writes a model and what is known about it as a checkpoint: a folder and, beside it, the same as one `.tar.gz`. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { sha256 } from '#files';
import { card } from './card.js';
import { digestsOf, formatSums } from './digests.js';
import { ManifestError } from './errors.js';
import { CONFIG_FILE, configFile } from './frontMatter.js';
import { layersFiles, parseLayersFiles } from './layersModel.js';
import {
  type BundleDescription,
  type Bytes,
  CARD_FILE,
  checkManifest,
  FORMAT_VERSION,
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  SUMS_FILE,
} from './manifest.js';
import { packageVersion } from './packageFile.js';

export interface WriteBundleOptions {
  /** Whether `<to>.tar.gz` is written as well; true by default. Without it, an archive that is there stays. */
  readonly archive?: boolean;
}

export interface WrittenBundle {
  /** Absolute path of the folder. */
  readonly directory: string;
  /** Absolute path of the archive, when one was asked for. */
  readonly archive?: string;
  readonly manifest: Manifest;
}

/**
 * Writes `<to>/` and `<to>.tar.gz`, replacing an older checkpoint only once the new one is complete.
 * @param model borrowed; its optimizer's state is not kept
 * @param to a path that is free, an empty folder or an older checkpoint
 * @throws ManifestError when the description does not fit the format or the model; BundleTargetError; file errors
 */
export async function writeBundle(
  model: LayersModel,
  description: BundleDescription,
  to: string,
  options: WriteBundleOptions = {},
): Promise<WrittenBundle> {
  checkInputShape(model, description, to);
  const { files: _, ...written } = await placeFiles(await layersFiles(model), description, to, options);
  return written;
}

/**
 * Writes a bundle of these contents, with its card, manifest and sums.
 * @param contents the other files, by path; those of `layers/` at least
 * @throws as `writeBundle`
 */
export async function placeFiles(
  contents: ReadonlyMap<string, Bytes>,
  description: BundleDescription,
  to: string,
  options: WriteBundleOptions = {},
): Promise<WrittenBundle & { readonly files: ReadonlyMap<string, Bytes> }> {
  const files = await bundleFiles(contents, description, to, await packageVersion());
  // What the reader would refuse must not be written: an unnamed class of weights, a layer that saves itself wrongly.
  const manifest = parseManifest(to, files.get(MANIFEST_FILE)!);
  parseLayersFiles(to, files);
  const { placeBundle } = await import('./placeBundle.js');
  const written = await placeBundle(to, files, { archived: options.archive ?? true });
  return { ...written, manifest, files };
}

/**
 * All files of a bundle, in memory.
 * @param contents the files other than manifest, card and sums, by path
 * @param bundle how errors name it
 */
export async function bundleFiles(
  contents: ReadonlyMap<string, Bytes>,
  description: BundleDescription,
  bundle: string,
  version: string,
): Promise<Map<string, Bytes>> {
  const { created, engine, ...rest } = description;
  const facts = checkManifest(bundle, {
    format: 'padezoo',
    formatVersion: FORMAT_VERSION,
    created: (created ?? new Date()).toISOString(),
    versions: { padezoo: version, tfjs: tf.version_core, engine: engine ?? tf.getBackend() },
    ...rest,
    files: [...contents].map(([path, bytes]) => ({ path, bytes: bytes.byteLength, sha256: '0'.repeat(64) })),
  });
  const paths = [...contents.keys()];
  const files = new Map<string, Bytes>([
    ...contents,
    [CONFIG_FILE, configFile(facts)],
    [CARD_FILE, new TextEncoder().encode(card(facts, paths))],
  ]);
  const digests = await digestsOf(files);
  const manifest = formatManifest({
    ...facts,
    files: [...files].map(([path, bytes]) => ({ path, bytes: bytes.byteLength, sha256: digests.get(path)! })),
  });
  digests.set(MANIFEST_FILE, await sha256(manifest));
  return files.set(MANIFEST_FILE, manifest).set(SUMS_FILE, formatSums(digests));
}

function checkInputShape(model: LayersModel, description: BundleDescription, bundle: string): void {
  const own = model.inputs[0]?.shape.slice(1) ?? [];
  const said = description.architecture.inputShape;
  if (own.length === said.length && own.every((length, i) => length === null || length === said[i])) return;
  const problem = `got [${said}], expected the model's own [${own}]`;
  throw new ManifestError(bundle, MANIFEST_FILE, 'architecture.inputShape', problem);
}
