/** `load`: a checkpoint, checked byte for byte, as a network that is ready to predict, to train on or to prune. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { engine } from '../engines/index.js';
import { loadBundle } from './readBundle.js';
import { restore } from './restore.js';

/**
 * Loads a checkpoint: `'out/lenet'`, `'out/lenet.tar.gz'`, `'https://...'` of either, `'npm:NAME'` of an installed package,
 * `'hub:OWNER/NAME'` of the Hugging Face hub. Every file's size and SHA-256 are checked before anything is built;
 * a flipped byte is an error that names the file.
 *
 * The network remembers recipe, data set, metrics and pruning: `prune(await load(path))` goes on where it ended.
 *
 * @returns a LayersModel that the caller disposes
 * @throws BundleError (NotABundleError, CorruptBundleError, ManifestError, NewerFormatError, ...)
 */
export async function load(path: string): Promise<LayersModel> {
  await engine.ready();
  const { model, manifest } = await loadBundle(path);
  await restore(model, manifest);
  return model;
}
