/** Looks into a network: the curve of every activation, and the inputs that real images give it. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { isActivation } from '../../zoo/summary.js';
import { type Histogram, histogramOf } from '../activations/histogram.js';
import { inputSites } from '../activations/inputSites.js';
import { PadeLayer } from '../activations/padeLayer.js';
import { evaluateRational, orderOf } from '../activations/rational.js';
import { joined } from '../parts.js';
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
  const sites = inputSites(
    model,
    (layer): layer is layers.layers.Layer => isActivation(layer) && isCurve(layer),
  );
  if (sites.length === 0) return [];
  const probe = layers.model({ inputs: model.inputs, outputs: sites.map(({ input }) => input) });
  for await (const { images, labels } of data.test({ batchSize: IMAGES })) {
    const inputs = ([] as tf.Tensor[]).concat(probe.predictOnBatch(images) as tf.Tensor | tf.Tensor[]);
    try {
      const called = new Set(sites.map(({ layer }) => layer));
      return [...called].map(layer => {
        const channels = sites.find(site => site.layer === layer)!.input.shape.at(-1)!;
        return observe(
          layer,
          channels,
          inputs.filter((_, i) => sites[i]!.layer === layer),
        );
      });
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
function curveOf(layer: layers.layers.Layer, channels: number, xs: readonly number[]): Float32Array {
  return tf.tidy(() => {
    const everyChannel = tf.tile(tf.tensor2d([...xs], [xs.length, 1]), [1, channels]);
    return tf.slice(layer.apply(everyChannel) as tf.Tensor2D, [0, 0], [xs.length, 1]).dataSync();
  }) as Float32Array;
}

/** @param given the inputs of all the layer's calls, `channels` of them side by side */
function observe(
  layer: layers.layers.Layer,
  channels: number,
  given: readonly tf.Tensor[],
): ActivationRecord {
  const inputs = histogram(
    joined(
      Float32Array,
      given.map(input => input.dataSync()),
    ),
  );
  const xs = Array.from(
    { length: CURVE_POINTS },
    (_, i) => inputs.min + ((inputs.max - inputs.min) * i) / (CURVE_POINTS - 1),
  );
  const learned = curveOf(layer, channels, xs);
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
