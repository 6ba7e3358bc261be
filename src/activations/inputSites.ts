/** Where a network's activations get their inputs: one site for each call of a layer, which may be called more than once. */
import type * as layers from '@tensorflow/tfjs-layers';

type Layer = layers.layers.Layer;

export interface InputSite<Wanted extends Layer = Layer> {
  readonly layer: Wanted;
  readonly input: layers.SymbolicTensor;
}

/** @param isWanted which layers; each of them reads one tensor */
export function inputSites<Wanted extends Layer>(
  model: layers.LayersModel,
  isWanted: (layer: Layer) => layer is Wanted,
): InputSite<Wanted>[];
export function inputSites(model: layers.LayersModel, isWanted: (layer: Layer) => boolean): InputSite[];
export function inputSites(model: layers.LayersModel, isWanted: (layer: Layer) => boolean): InputSite[] {
  const calls = callsIn(model);
  return model.layers
    .filter(isWanted)
    .flatMap(layer =>
      layer.inboundNodes
        .filter(call => calls.has(call))
        .map(({ inputTensors }) => ({ layer, input: inputTensors[0]! })),
    );
}

/** The calls of layers between a network's inputs and outputs; its layers may have others, in other networks. */
function callsIn({ inputs, outputs }: layers.LayersModel): Set<Layer['inboundNodes'][number]> {
  const calls = new Set<Layer['inboundNodes'][number]>();
  const waiting = [...outputs];
  for (let tensor = waiting.pop(); tensor; tensor = waiting.pop()) {
    const call = tensor.sourceLayer.inboundNodes[tensor.nodeIndex]!;
    if (calls.has(call) || inputs.includes(tensor)) continue;
    calls.add(call);
    waiting.push(...call.inputTensors);
  }
  return calls;
}
