/** Reads a checkpoint from wherever it is: every byte is verified before anything is made of it. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { readSource } from '#bundles';
import { checkContents } from './contents.js';
import { buildLayersModel } from './layersModel.js';
import { type Bytes, isLayersFile, type Manifest } from './manifest.js';
import type { Extent } from './sources/source.js';

export interface Bundle {
  readonly manifest: Manifest;
  /** Every file, the manifest and SHA256SUMS included, by its path in the bundle. */
  readonly files: Map<string, Bytes>;
}

/**
 * @param path a folder or a `.tar.gz`
 * @throws BundleError: NotABundleError, UnsafeBundleError, CorruptBundleError, ManifestError or NewerFormatError, for
 *   the first problem found; it names the file
 */
export async function readBundle(path: string): Promise<Bundle> {
  const { manifest, files } = await verified(path, 'all');
  return { manifest, files };
}

/**
 * A verified model on the current engine. The caller owns the model and disposes it.
 * @param path a folder or a `.tar.gz`
 * @throws as `readBundle`; ModelBuildError when its layers are unknown here; no tensor is left behind
 */
export async function loadBundle(path: string): Promise<{ model: LayersModel; manifest: Manifest }> {
  const { manifest, layers } = await verified(path, 'layers');
  return { model: await buildLayersModel(path, layers), manifest };
}

async function verified(path: string, extent: Extent) {
  const { files, digests } = await readSource(path, extent);
  const { manifest, layers, problems } = await checkContents(path, files, {
    ...(extent === 'layers' && { wanted: isLayersFile }),
    ...(digests && { digests }),
  });
  if (problems.length > 0) throw problems[0];
  return { files, manifest: manifest!, layers: layers! };
}
