/** The images that formats are compared on: real ones, and hard ones at the ends of what an image can be. */
import * as tf from '@tensorflow/tfjs-core';
import type { Dataset } from '../../../datasets/dataset.js';
import { OptionsError } from '../../errors.js';
import { RandomStream } from '../../random.js';
import { sizeOf } from '../graph/graph.js';
import type { Extremes } from './extremes.js';

/** Fewest images, the hard ones not counted, that a format is proven on. */
export const REAL_IMAGES = 256;
/** Of 2 to 64 the batch at which all runtimes together took least of the processor: what layers make stays in its cache. */
const BATCH = 16;

/** 836 x 836 pixels of three colours: 2 GiB for the images of a proof. */
const MAX_IMAGE_VALUES = 2 ** 21;

export interface ParityInputs {
  /** `[n, h, w, c]` each, real ones first; whoever made them disposes them. */
  readonly batches: readonly tf.Tensor[];
  readonly real: number;
  readonly hard: number;
  /** For people: `'fashion-mnist test images'`, `'128 squares test images and noise'`. */
  readonly source: string;
  /** How far they reach where training recorded how far activations go. */
  readonly extremes?: Extremes;
  /** Of the real images, where they are known. */
  readonly labels: readonly number[];
}

export interface ImageRange {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface InputSources {
  /** `[n, h, w, c]`, taken as the real ones; borrowed. */
  readonly images?: tf.Tensor | undefined;
  /** Whose test images are taken; without it, noise over the range of an image stands for them. */
  readonly data?: Dataset | undefined;
  /** What pixels of [0, 1] become; without it [-1, 1]. */
  readonly range?: ImageRange | undefined;
}

/**
 * @param shape `[h, w, c]`
 * @throws OptionsError when the data set has other images, or when so many of this size cannot be held
 */
export async function parityInputs(
  shape: readonly number[],
  { images, data, range }: InputSources,
): Promise<ParityInputs> {
  if (sizeOf(shape) > MAX_IMAGE_VALUES && !(images && images.shape[0]! >= REAL_IMAGES))
    throw new OptionsError(
      `publish: images of [${shape.join(', ')}] are too large for ${REAL_IMAGES} of them to be made here; give so many by the option images`,
    );
  if (images) return givenInputs(images, shape);
  if (data && data.inputShape.join() !== shape.join())
    throw new OptionsError(
      `publish: ${data.name} has images of [${data.inputShape.join(', ')}], the network takes [${shape.join(', ')}]; give it the data set that it was trained on`,
    );
  const batches: tf.Tensor[] = [];
  const labels: number[] = [];
  try {
    for await (const batch of data?.test({ batchSize: BATCH }) ?? []) {
      batches.push(batch.images);
      labels.push(...(await batch.labels.data()));
      batch.labels.dispose();
      if (labels.length >= REAL_IMAGES) break;
    }
  } catch (error) {
    tf.dispose(batches);
    throw error;
  }
  const source = data && `${data.name} test images`;
  return completed({ batches, labels, source }, shape, boundsOf(shape.at(-1)!, range));
}

function givenInputs(images: tf.Tensor, shape: readonly number[]): ParityInputs {
  const count = images.shape[0]!;
  const batches: tf.Tensor[] = [];
  for (let from = 0; from < count; from += BATCH)
    batches.push(tf.slice(images, from, Math.min(BATCH, count - from)));
  const [low, high] = tf.tidy(() => [tf.min(images).dataSync()[0]!, tf.max(images).dataSync()[0]!]);
  const bounds = Array.from({ length: shape.at(-1)! }, () => [low!, high!] as const);
  return completed({ batches, labels: [], source: 'images that were given' }, shape, bounds);
}

/** Noise where there are too few images, and the hard ones. */
function completed(
  {
    batches,
    labels,
    source,
  }: Pick<ParityInputs, 'labels'> & { batches: tf.Tensor[]; source: string | undefined },
  shape: readonly number[],
  bounds: Bounds,
): ParityInputs {
  const images = batches.reduce((sum, batch) => sum + batch.shape[0]!, 0);
  let real = images;
  for (; real < REAL_IMAGES; real += BATCH) batches.push(noiseImages(shape, bounds, BATCH, real));
  const hard = hardImages(shape, bounds);
  const told =
    source === undefined
      ? 'noise, as there is no data set'
      : real > images
        ? `${images} ${source} and noise`
        : source;
  return { batches: [...batches, hard], real, hard: hard.shape[0]!, source: told, labels };
}

type Bounds = readonly (readonly [low: number, high: number])[];

/** What the darkest and the brightest pixel become, per channel. */
function boundsOf(channels: number, range: ImageRange | undefined): Bounds {
  return Array.from({ length: channels }, (_, c) => {
    const [mean, std] = [range?.mean[c], range?.std[c]];
    return mean === undefined || !std ? [-1, 1] : [-mean / std, (1 - mean) / std];
  });
}

function imagesOf(
  shape: readonly number[],
  count: number,
  pixel: (image: number, index: number) => number,
): tf.Tensor {
  const size = sizeOf(shape);
  const values = new Float32Array(count * size);
  for (let image = 0; image < count; image++)
    for (let index = 0; index < size; index++) values[image * size + index] = pixel(image, index);
  return tf.tensor(values, [count, ...shape]);
}

function noiseImages(shape: readonly number[], bounds: Bounds, count: number, seed: number): tf.Tensor {
  const random = new RandomStream(seed, 'parity', 'noise');
  return imagesOf(shape, count, (_, index) => {
    const [low, high] = bounds[index % bounds.length]!;
    return low + (high - low) * (random.uint32() / 2 ** 32);
  });
}

/** All dark, all bright, grey; boards and stripes of both; one bright pixel; one bright channel; noise of twice the range. */
function hardImages(shape: readonly number[], bounds: Bounds): tf.Tensor {
  const channels = bounds.length;
  const width = shape.length === 3 ? shape[1]! : 1;
  const random = new RandomStream(0, 'parity', 'hard');
  const share: readonly ((row: number, column: number, channel: number) => number)[] = [
    () => 0,
    () => 1,
    () => 0.5,
    (row, column) => (row + column) % 2,
    row => row % 2,
    (_, column) => column % 2,
    (row, column) => (row === 0 && column === 0 ? 1 : 0),
    (row, column) => (row === 0 || column === 0 ? 1 : 0),
    (_row, _column, channel) => (channel === 0 ? 1 : 0),
    (row, column) => ((row >> 2) % 2) ^ ((column >> 2) % 2),
    () => (random.uint32() % 2 === 0 ? -0.5 : 1.5),
    () => random.uint32() / 2 ** 31 - 0.5,
  ];
  return imagesOf(shape, share.length, (image, index) => {
    const channel = index % channels;
    const position = Math.floor(index / channels);
    const [low, high] = bounds[channel]!;
    const part = share[image]!(Math.floor(position / width), position % width, channel);
    return low + (high - low) * part;
  });
}
