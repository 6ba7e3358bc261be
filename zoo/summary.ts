/** Sizes of a network: parameters, the activations' share, multiply-accumulates and memory, per layer and in total. */
import { util } from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { ActivationLayer } from '../src/activations/activationLayer.js';

type Layer = layers.layers.Layer;

export interface LayerSummary {
  readonly name: string;
  /** tfjs's class name, `'Conv2D'`. */
  readonly type: string;
  /** Without the batch axis; where the layer is called in several places, of the first. */
  readonly outputShape: readonly number[];
  readonly parameters: number;
  /** Of all its calls, as are the bytes. */
  readonly macs: number;
  /** Bytes of the output for one input, in float32; 0 where it shares its input's memory. */
  readonly activationBytes: number;
}

export interface ModelSummary {
  /** All trainable parameters, the activations' included. */
  readonly parameters: number;
  /** Those of activation layers. */
  readonly activationParameters: number;
  /** Multiply-accumulates of convolutions and dense layers for one input. */
  readonly macs: number;
  /** Bytes of all outputs for one input: what a training step holds before it goes back. */
  readonly activationBytes: number;
  readonly layers: readonly LayerSummary[];
}

/** tfjs's own; every other is an ActivationLayer. */
const ACTIVATION_TYPES = new Set(['Activation', 'ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU']);

/** Layers whose output is their input (or the caller's images) in another shape. */
const VIEWS = new Set(['InputLayer', 'Flatten', 'Reshape']);

/** Whether a layer is an activation: its parameters are counted apart and learn at a rate of their own. */
export function isActivation(layer: Layer): boolean {
  return layer instanceof ActivationLayer || ACTIVATION_TYPES.has(layer.getClassName());
}

type ShapeOf = (weight: layers.LayerVariable) => readonly number[];

/** @param shapeOf what each weight's shape is or would be: pruning counts before it cuts */
export function summary(
  model: layers.LayersModel,
  shapeOf: ShapeOf = weight => weight.shape as number[],
): ModelSummary {
  const rows = model.layers.map(layer => summarise(layer, shapeOf));
  const total = (of: (row: LayerSummary) => number) => rows.reduce((sum, row) => sum + of(row), 0);
  const activations = new Set(model.layers.filter(isActivation).map(layer => layer.name));
  return {
    parameters: total(row => row.parameters),
    activationParameters: total(row => (activations.has(row.name) ? row.parameters : 0)),
    macs: total(row => row.macs),
    activationBytes: total(row => row.activationBytes),
    layers: rows,
  };
}

function summarise(layer: Layer, shapeOf: ShapeOf): LayerSummary {
  const calls = outputShapes(layer);
  const total = (of: (shape: readonly number[]) => number) =>
    calls.reduce((sum, shape) => sum + of(shape), 0);
  const parameters = layer.trainableWeights.reduce(
    (sum, weight) => sum + util.sizeFromShape([...shapeOf(weight)]),
    0,
  );
  return {
    name: layer.name,
    type: layer.getClassName(),
    outputShape: calls[0] ?? [],
    parameters,
    macs: total(shape => macsOf(layer, shape, shapeOf)),
    activationBytes: VIEWS.has(layer.getClassName()) ? 0 : total(shape => 4 * util.sizeFromShape([...shape])),
  };
}

/** One for each place where the layer is called, without the batch axis; a network inside counts once. */
function outputShapes(layer: Layer): number[][] {
  const nodes = 'layers' in layer ? layer.inboundNodes.slice(0, 1) : layer.inboundNodes;
  return nodes.flatMap((_, call) =>
    ([] as layers.SymbolicTensor[])
      .concat(layer.getOutputAt(call))
      .map(({ shape }) => shape.slice(1).map(size => size ?? 0)),
  );
}

/** Every element of a kernel is used once at every output position; a separable convolution has two. */
function macsOf(layer: Layer, outputShape: readonly number[], shapeOf: ShapeOf): number {
  const kernels = layer.weights.filter(weight => /kernel$/.test(weight.originalName));
  const positions = outputShape.slice(0, -1).reduce((product, size) => product * size, 1);
  return kernels.reduce((sum, kernel) => sum + util.sizeFromShape([...shapeOf(kernel)]) * positions, 0);
}
