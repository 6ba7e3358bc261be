/** Makes a `Dataset` of images that are held in memory, read from wherever they lie on first use. */
import * as tf from '@tensorflow/tfjs-core';
import { OptionsError } from '../src/errors.js';
import { normalisingTable } from '../src/ops/pixels.js';
import { RandomStream } from '../src/random.js';
import { batchTensors } from './batchTensors.js';
import type { Batch, Dataset, PixelFormat, TestOptions, TrainBatch, TrainOptions } from './dataset.js';
import { checkTestOptions, checkTrainOptions, type PlannedBatch, testOrder, trainOrder } from './order.js';
import { outputShapeOf, type Pipeline, pipelineOf, type Transforms } from './transforms.js';

/** How images are stored, and how they are to be seen. */
export interface Pixels {
  /** `[height, width, channels]` as stored */
  readonly stored: readonly [number, number, number];
  /** Per channel: of bytes scaled to [0, 1], of floats as they are. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Checked by who loads it: as many labels as images, every label a class. */
export interface Split {
  /** `[n, height, width, channels]` as stored */
  readonly images: Uint8Array | Float32Array;
  /** `[n]` */
  readonly labels: Uint8Array | Int32Array;
}

export type SplitName = 'train' | 'test';

export interface InMemoryOptions
  extends Pick<Dataset, 'name' | 'options' | 'source' | 'licence' | 'classes' | 'length'> {
  /** The function that makes it, for messages: `'datasets.mnist'`. */
  readonly where: string;
  readonly pixels: Pixels;
  /** Only where images are bytes. */
  readonly transforms: Transforms;
  /** Called once a split, when its first batch is asked for; again only after it has failed. */
  load(split: SplitName): Promise<Split>;
}

/** @throws OptionsError when the transforms do not fit */
export function inMemoryDataset(description: InMemoryOptions): Dataset {
  const { where, pixels, load, transforms, ...facts } = description;
  const inputShape = outputShapeOf(transforms, pixels.stored, where);
  const table = normalisingTable(pixels.mean, pixels.std);
  const imageValues = inputShape.reduce((product, size) => product * size, 1);
  const storedValues = pixels.stored.reduce((product, size) => product * size, 1);
  const splits: Partial<Record<SplitName, Promise<Split>>> = {};

  function loaded(name: SplitName): Promise<Split> {
    splits[name] ??= load(name).catch(error => {
      delete splits[name]; // the user may mend the file and try again
      throw error;
    });
    return splits[name];
  }

  /** -> the chosen images, transformed, `[rows.length, ...inputShape]` */
  function transformed(images: Uint8Array, { rows, state }: PlannedBatch, pipeline: Pipeline): Uint8Array {
    const out = new Uint8Array(rows.length * imageValues);
    rows.forEach((row, i) => {
      const image = images.subarray(row * storedValues, (row + 1) * storedValues);
      const random = () => new RandomStream(state.seed, 'augment', state.epoch, row);
      out.set(pipeline.run(image, random), i * imageValues);
    });
    return out;
  }

  function tensorsOf(
    { images, labels }: Split,
    batch: PlannedBatch,
    pipeline: Pipeline,
    format: PixelFormat,
  ): Batch {
    const classes = Int32Array.from(batch.rows, row => labels[row]!);
    if (images instanceof Uint8Array)
      return batchTensors(transformed(images, batch, pipeline), classes, inputShape, format, table);
    if (format === 'uint8' || !pipeline.isPlain)
      throw new OptionsError(
        `${where}: images of floats have no bytes and no transforms; give them as a Uint8Array`,
      );
    const values = normalisedFloats(images, batch.rows, pixels);
    return {
      images: tf.tensor(values, [batch.rows.length, ...inputShape]) as tf.Tensor4D,
      labels: tf.tensor1d(classes, 'int32'),
    };
  }

  async function* batches(
    name: SplitName,
    format: PixelFormat,
    order: () => Iterable<PlannedBatch>,
  ): AsyncGenerator<TrainBatch> {
    const [split] = await Promise.all([loaded(name), tf.ready()]);
    const pipeline = pipelineOf(transforms[name], pixels.stored);
    for (const batch of order()) yield { ...tensorsOf(split, batch, pipeline, format), state: batch.state };
  }

  return {
    ...facts,
    inputShape,
    mean: pixels.mean,
    std: pixels.std,
    train(options: TrainOptions) {
      const checked = checkTrainOptions(options, facts.length.train, `${where}().train`);
      const order = () => trainOrder(facts.length.train, checked);
      return { [Symbol.asyncIterator]: () => batches('train', checked.pixels, order) };
    },
    test(options: TestOptions) {
      const checked = checkTestOptions(options, `${where}().test`);
      const order = () => testOrder(facts.length.test, checked);
      return { [Symbol.asyncIterator]: () => batches('test', checked.pixels, order) };
    },
  };
}

/** The chosen images of floats, (value - mean) / std per channel. */
function normalisedFloats(
  images: Float32Array,
  rows: Uint32Array,
  { stored, mean, std }: Pixels,
): Float32Array {
  const values = stored.reduce((product, size) => product * size, 1);
  const channels = mean.length;
  const out = new Float32Array(rows.length * values);
  rows.forEach((row, n) => {
    for (let i = 0; i < values; i++)
      out[n * values + i] = (images[row * values + i]! - mean[i % channels]!) / std[i % channels]!;
  });
  return out;
}
