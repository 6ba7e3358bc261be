/** Looks into a network: the curve of every activation, and the inputs that real images give it. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { isActivation } from '../../zoo/summary.js';
import { type Histogram, histogramOf } from '../activations/histogram.js';
import { PadeLayer } from '../activations/padeLayer.js';
import { evaluateRational, orderOf } from '../activations/rational.js';
import type { ActivationRecord } from './record.js';

const BINS = 60;
const CURVE_POINTS = 161;
/** Test images that are looked at: enough for the shape of a histogram. */
const IMAGES = 500;
/** Share of the inputs at either end that is left out of the drawn range. */
const TAIL = 0.0005;

/**
 * One record per activation layer, from a sample of the data set's test images.
 *
 * @param model borrowed
 */
export async function observeActivations(
  model: layers.LayersModel,
  data: Dataset,
): Promise<ActivationRecord[]> {
  const activations = model.layers.filter(layer => isActivation(layer) && isCurve(layer));
  if (activations.length === 0) return [];
  const probe = layers.model({
    inputs: model.inputs,
    outputs: activations.map(layer => layer.input as layers.SymbolicTensor),
  });
  for await (const { images, labels } of data.test({ batchSize: IMAGES })) {
    const inputs = ([] as tf.Tensor[]).concat(probe.predictOnBatch(images) as tf.Tensor | tf.Tensor[]);
    try {
      return activations.map((layer, i) => observe(layer, inputs[i]!));
    } finally {
      tf.dispose([images, labels, ...inputs]);
    }
  }
  return [];
}

/** Whether a layer makes one number of one: maxout makes one of several, which no curve shows. */
function isCurve(layer: layers.layers.Layer): boolean {
  return layer.getClassName() !== 'Maxout';
}

/** f(x), of the first channel where each has coefficients of its own. */
function curveOf(layer: layers.layers.Layer, xs: readonly number[]): Float32Array {
  const channels = (layer.input as layers.SymbolicTensor).shape.at(-1)!;
  return tf.tidy(() => {
    const everyChannel = tf.tile(tf.tensor2d([...xs], [xs.length, 1]), [1, channels]);
    return tf.slice(layer.apply(everyChannel) as tf.Tensor2D, [0, 0], [xs.length, 1]).dataSync();
  }) as Float32Array;
}

function observe(layer: layers.layers.Layer, input: tf.Tensor): ActivationRecord {
  const inputs = histogram(input.dataSync() as Float32Array);
  const xs = Array.from(
    { length: CURVE_POINTS },
    (_, i) => inputs.min + ((inputs.max - inputs.min) * i) / (CURVE_POINTS - 1),
  );
  const learned = curveOf(layer, xs);
  const record = {
    layer: layer.name,
    learned: xs.map((x, i) => [x, learned[i]!] as const),
    inputs,
  };
  if (!(layer instanceof PadeLayer))
    return { ...record, kind: layer.getClassName().toLowerCase(), initial: [] };
  const rational = layer.rational();
  return {
    ...record,
    kind: `${layer.noise > 0 ? 'rpau' : 'pau'} [${orderOf(rational).join('/')}]`,
    initial: xs.map(x => [x, evaluateRational(layer.initial, x)] as const),
    rational,
  };
}

/** Of all but the outermost values. */
function histogram(values: Float32Array): Histogram {
  const sorted = values.filter(Number.isFinite).sort();
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)] ?? 0;
  const low = at(TAIL);
  const high = at(1 - TAIL);
  const [min, max] = high > low ? [low, high] : [low - 1, high + 1];
  return histogramOf(values, { min, max, bins: BINS });
}
