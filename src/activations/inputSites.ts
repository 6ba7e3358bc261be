/** Where a network's activations get their inputs: one site for each call of a layer, which may be called more than once. */
import type * as layers from '@tensorflow/tfjs-layers';

export interface InputSite<Layer extends layers.layers.Layer> {
  readonly layer: Layer;
  readonly input: layers.SymbolicTensor;
}

/** @param isWanted which layers; each of them reads one tensor */
export function inputSites<Layer extends layers.layers.Layer>(
  model: layers.LayersModel,
  isWanted: (layer: layers.layers.Layer) => layer is Layer,
): InputSite<Layer>[] {
  return model.layers.filter(isWanted).flatMap(layer =>
    layer.inboundNodes.map((_, call) => ({
      layer,
      input: layer.getInputAt(call) as layers.SymbolicTensor,
    })),
  );
}
