/** Makes a `Dataset` of encoded images that lie in archives, folders or behind addresses, decoded by worker threads. */
import * as tf from '@tensorflow/tfjs-core';
import { OptionsError } from '../../src/errors.js';
import { normalisingTable } from '../../src/ops/pixels.js';
import { checkOptions } from '../../src/options.js';
import { batchTensors } from '../batchTensors.js';
import type { Dataset, PixelFormat, TestOptions, TrainBatch, TrainOptions } from '../dataset.js';
import { checkTestOptions, checkTrainOptions, type PlannedBatch, testOrder, trainOrder } from '../order.js';
import { requireDecoder } from './addon.js';
import { decodedBatches, type EncodedSplit, type EpochSummary, StreamOptions } from './stream.js';
import type { Viewing } from './views.js';

export interface ImageEpoch extends AsyncIterable<TrainBatch> {
  readonly summary: EpochSummary;
}

/** A data set whose epochs tell which images were bad and how long the loop waited. */
export interface ImageDataset extends Dataset {
  train(options: TrainOptions): ImageEpoch;
  test(options: TestOptions): ImageEpoch;
}

export interface ImageDatasetOptions
  extends Pick<Dataset, 'name' | 'options' | 'source' | 'licence' | 'classes' | 'mean' | 'std'> {
  /** The function that makes it, for messages: `'datasets.imageFolder'`. */
  readonly where: string;
  readonly train: EncodedSplit;
  readonly test: EncodedSplit;
  readonly viewing: { readonly train: Viewing; readonly test: Viewing };
  readonly stream: StreamOptions;
}

/** @throws OptionsError */
export function imageDataset(description: ImageDatasetOptions): ImageDataset {
  const { where, train, test, viewing, stream: given, ...facts } = description;
  const stream = checkOptions(StreamOptions, given, where);
  requireDecoder(stream.decoder, where);
  const { size } = viewing.train;
  if (viewing.test.size !== size)
    throw new OptionsError(
      `${where}: training sees ${size} pixels a side, the test ${viewing.test.size}; make them equal`,
    );
  const inputShape = [size, size, 3] as const;
  const table = normalisingTable(facts.mean, facts.std);

  function epoch(
    split: EncodedSplit,
    seen: Viewing,
    batchSize: number,
    format: PixelFormat,
    order: () => Iterable<PlannedBatch>,
  ): ImageEpoch {
    const summary: EpochSummary = { images: 0, bad: [], waitedMs: 0, totalMs: 0 };
    async function* batches(): AsyncGenerator<TrainBatch> {
      await tf.ready();
      const work = { where, split, viewing: seen, batchSize, order: order(), summary };
      for await (const { bytes, rows, state } of decodedBatches(work, stream)) {
        const labels = Int32Array.from(rows, row => split.label(row));
        yield { ...batchTensors(bytes, labels, inputShape, format, table), state };
      }
    }
    return { summary, [Symbol.asyncIterator]: batches };
  }

  return {
    ...facts,
    inputShape,
    length: { train: train.length, test: test.length },
    train(options) {
      const checked = checkTrainOptions(options, train.length, `${where}().train`);
      return epoch(train, viewing.train, checked.batchSize, checked.pixels, () =>
        trainOrder(train.length, checked),
      );
    },
    test(options) {
      const checked = checkTestOptions(options, `${where}().test`);
      return epoch(test, viewing.test, checked.batchSize, checked.pixels, () =>
        testOrder(test.length, checked),
      );
    },
  };
}
