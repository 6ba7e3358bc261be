/** The weights that a network had before any training, from its seeds. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { OptionsError } from '../src/errors.js';
import { provenanceOf } from '../src/training/provenance.js';
import { type Values, weightsOf } from '../src/training/state.js';
import { drawnAgain } from './surgery.js';

/**
 * Draws a network's initial weights once more.
 *
 * @returns in the order of `model.getWeights()`
 * @throws OptionsError when an initialiser has no seed, or the network was pruned since
 */
export function initialWeights(model: LayersModel): Values[] {
  if (provenanceOf(model).pruning?.length) {
    throw new OptionsError(
      `prune: restart 'initial': '${model.name}' was pruned already, its initial weights are not those of its seeds; prune the unpruned network with all steps at once`,
    );
  }
  const again = drawnAgain(model);
  try {
    return weightsOf(again);
  } finally {
    again.dispose();
  }
}
