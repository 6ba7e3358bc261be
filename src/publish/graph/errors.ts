/** What can go wrong when a network is written as a graph of operators. */
import { PadezooError } from '../../errors.js';

/** A layer that other runtimes have no operators for, or that is configured in a way they have not. */
export class UnpublishableLayerError extends PadezooError {
  override readonly name = 'UnpublishableLayerError';
  constructor(
    readonly layer: string,
    readonly layerType: string,
    reason: string,
  ) {
    super(
      `publish: layer '${layer}' (${layerType}) ${reason}; replace the layer, or publish with { formats: ['layers'] }`,
    );
  }
}
