/** What every data set offers: two splits of labelled images, read batch by batch in an order that a seed fixes. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';

/** One batch; whoever receives it disposes both tensors. */
export interface Batch {
  /**
   * `[n, height, width, channels]`: float32, normalised by the data set's `mean` and `std`, or int32 from 0 to 255 where
   * `pixels: 'uint8'` was asked for
   */
  readonly images: Tensor4D;
  /** `[n]` int32 class indices */
  readonly labels: Tensor1D;
}

/** A point between two batches: `dataset.train({ batchSize, ...state })` goes on there, with the same images. */
export interface EpochState {
  readonly seed: number;
  /** From 0. */
  readonly epoch: number;
  /** Images of the epoch's order that are done, over all ranks. */
  readonly position: number;
}

export interface TrainBatch extends Batch {
  /** Behind this batch. */
  readonly state: EpochState;
}

/** Which part of every batch is read here, when several processes train one network together. */
export interface Shard {
  /** From 0. */
  readonly rank: number;
  readonly ranks: number;
}

/**
 * How pixels come, after the transforms: normalised floats, or the bytes that are stored, which TensorFlow.js takes for int32
 * and the torch engine keeps in a byte each.
 */
export type PixelFormat = 'float32' | 'uint8';

export interface TrainOptions {
  /** Images a batch, over all ranks; the last batch of an epoch may be smaller. */
  readonly batchSize: number;
  /**
   * The order is a permutation of (seed, epoch) over the whole split, and what is random about an image belongs to
   * (seed, epoch, image): the same on every machine, for any number of workers or ranks.
   */
  readonly seed: number;
  /** From 0. */
  readonly epoch: number;
  /** Where to go on, as a batch's `state` has it; 0 by default. */
  readonly position?: number;
  /**
   * This process's part: the ranks' slices of a batch differ by one image at most and make the batch together. A last
   * batch with fewer images than ranks leaves some ranks a batch of none, so that all count the same steps.
   */
  readonly shard?: Shard;
  readonly pixels?: PixelFormat;
  /** The epoch ends after so many images of its order; all by default. */
  readonly images?: number;
}

export interface TestOptions {
  readonly batchSize: number;
  /** The first so many; all by default. */
  readonly images?: number;
  readonly pixels?: PixelFormat;
}

export interface Dataset {
  /** The name under which `datasets.create` makes it again, e.g. `'fashion-mnist'`. */
  readonly name: string;
  /** The options that, with `name`, make it again; JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where its bytes come from, for people: `'embedded subset'`, `'directory /data/fashion'`. */
  readonly source: string;
  readonly licence: string;
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** `[height, width, channels]` of the images in a batch */
  readonly inputShape: readonly [number, number, number];
  /** Per channel, of pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Images a split. */
  readonly length: { readonly train: number; readonly test: number };
  /** One epoch of shuffled batches; the last one may be smaller. */
  train(options: TrainOptions): AsyncIterable<TrainBatch>;
  /** The test images in file order. */
  test(options: TestOptions): AsyncIterable<Batch>;
}
