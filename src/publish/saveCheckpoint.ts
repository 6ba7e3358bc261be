/** Writes a network as a checkpoint to go on from: tfjs's own format alone, without the proofs that publishing ends with. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { engine } from '../engines/index.js';
import { describe } from './describe.js';
import { type WrittenBundle, writeBundle } from './writeBundle.js';

/**
 * @param model borrowed
 * @param to a folder; a checkpoint that stands there is replaced when the new one is complete
 * @throws BundleTargetError when something else stands there
 */
export async function saveCheckpoint(model: LayersModel, to: string): Promise<WrittenBundle> {
  await engine.ready();
  return writeBundle(model, describe(model), to, { archive: false });
}
