/** Which channels must go together: for every prunable convolution, the layers that its filters reach. */
import type * as layers from '@tensorflow/tfjs-layers';
import { PadezooError } from '../src/errors.js';
import { isActivation } from '../zoo/summary.js';

type Layer = layers.layers.Layer;

/** A layer that reads the pruned channels. */
export interface Consumer {
  readonly layer: string;
  /** Whose axis of the kernel holds the channels: a convolution's `[h, w, in, out]` or a dense layer's `[in, out]`. */
  readonly axis: number;
  /** Positions that a flatten laid out one after the other: input `position · channels + channel`; else 1. */
  readonly positions: number;
}

/** Channels that are removed together: convolutions that make them, layers that carry weights for them, layers that read them. */
export interface WidthGroup {
  readonly producers: readonly string[];
  /** Layers with one weight per channel on the way (batch normalisation). */
  readonly followers: readonly string[];
  readonly consumers: readonly Consumer[];
  readonly width: number;
}

/** The network has a layer or a shape that pruning does not understand. */
export class UnsupportedLayerError extends PadezooError {
  override readonly name = 'UnsupportedLayerError';
  constructor(
    readonly layer: string,
    readonly layerType: string,
    reason: string,
  ) {
    super(`prune: layer '${layer}' (${layerType}) ${reason}`);
  }
}

/** Layers that neither mix nor reorder channels and hold no weights of a channel. */
const TRANSPARENT = new Set([
  'MaxPooling2D',
  'AveragePooling2D',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'Dropout',
  'KeyedDropout',
  'SpatialDropout2D',
  'ZeroPadding2D',
]);

/**
 * The groups of a chain of convolutions, from input to output. A convolution that makes the network's output is not in
 * one: its filters are the answer.
 *
 * @throws UnsupportedLayerError when a channel reaches a layer that is not understood, or two layers at once
 */
export function widthGroups(model: layers.LayersModel): WidthGroup[] {
  return model.layers.filter(isConvolution).flatMap(convolution => {
    const group = groupOf(convolution, model);
    return group ? [group] : [];
  });
}

function groupOf(convolution: Layer, model: layers.LayersModel): WidthGroup | undefined {
  const followers: string[] = [];
  let positions = 1;
  for (let layer = convolution; ; ) {
    const next = successor(layer, model);
    if (!next) return undefined;
    const type = next.getClassName();
    if (type === 'Flatten') {
      const [height = 1, width = 1] = (next.input as layers.SymbolicTensor).shape.slice(1, -1) as number[];
      positions = height * width;
    } else if (type === 'BatchNormalization') {
      followers.push(next.name);
    } else if (isConvolution(next) || type === 'Dense') {
      const axis = type === 'Dense' ? 0 : 2;
      const width = convolution.getConfig().filters as number;
      return {
        producers: [convolution.name],
        followers,
        consumers: [{ layer: next.name, axis, positions }],
        width,
      };
    } else if (!isActivation(next) && !TRANSPARENT.has(type)) {
      throw new UnsupportedLayerError(
        next.name,
        type,
        `is not supported behind the convolution '${convolution.name}'; pruning works on chains of Conv2D, activations, pooling, BatchNormalization, Dropout, Flatten and Dense`,
      );
    }
    layer = next;
  }
}

function isConvolution(layer: Layer): boolean {
  return layer.getClassName() === 'Conv2D';
}

/** The one layer that reads `layer`'s output; `undefined` at the network's output. */
function successor(layer: Layer, model: layers.LayersModel): Layer | undefined {
  const known = new Set(model.layers);
  const readers = layer.outboundNodes.map(node => node.outboundLayer).filter(reader => known.has(reader));
  if (readers.length === 0 || model.outputs.some(output => output.sourceLayer === layer)) return undefined;
  if (readers.length === 1) return readers[0];
  throw new UnsupportedLayerError(
    layer.name,
    layer.getClassName(),
    `is read by ${readers.map(reader => `'${reader.name}'`).join(' and ')}; pruning works on chains, where every layer has one reader`,
  );
}
