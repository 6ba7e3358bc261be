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
  const activations = model.layers.filter(isActivation);
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

function observe(layer: layers.layers.Layer, input: tf.Tensor): ActivationRecord {
  const inputs = histogram(input.dataSync() as Float32Array);
  const xs = Array.from(
    { length: CURVE_POINTS },
    (_, i) => inputs.min + ((inputs.max - inputs.min) * i) / (CURVE_POINTS - 1),
  );
  const learned = tf.tidy(() => (layer.apply(tf.tensor2d(xs, [xs.length, 1])) as tf.Tensor).dataSync());
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
