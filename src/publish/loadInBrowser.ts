/** `load` for pages: the same checks, the same network, ready to predict. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import '../../zoo/index.js'; // registers the layers
import { loadBundle } from './readBundle.js';

/**
 * @param url of a checkpoint's folder or `.tar.gz`, relative to the page or not; `npm:NAME`, `hub:OWNER/NAME`
 * @returns a LayersModel that the caller disposes
 * @throws BundleError
 */
export async function load(url: string): Promise<LayersModel> {
  return (await loadBundle(url)).model;
}
