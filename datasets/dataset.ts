/** What every data set offers: two splits of labelled images, read batch by batch in an order that a seed fixes. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';

/** One batch; whoever receives it disposes both tensors. */
export interface Batch {
  /** `[n, height, width, channels]` float32, normalised by the data set's `mean` and `std` */
  readonly images: Tensor4D;
  /** `[n]` int32 class indices */
  readonly labels: Tensor1D;
}

export interface TrainOptions {
  readonly batchSize: number;
  /** Order is a permutation of (seed, epoch): the same pair gives the same batches on every machine. */
  readonly seed: number;
  /** From 0. */
  readonly epoch: number;
}

export interface TestOptions {
  readonly batchSize: number;
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
  train(options: TrainOptions): AsyncIterable<Batch>;
  /** The test images in file order. */
  test(options: TestOptions): AsyncIterable<Batch>;
}
