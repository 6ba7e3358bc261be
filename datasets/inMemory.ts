/** Makes a `Dataset` of images that are held in memory, read from wherever they lie on first use. */
import * as tf from '@tensorflow/tfjs-core';
import { OptionsError } from '../src/errors.js';
import { RandomStream } from '../src/random.js';
import { batchTensors } from './batchTensors.js';
import type { Dataset, PixelFormat, TestOptions, TrainBatch, TrainOptions } from './dataset.js';
import { createGather, type Pixels } from './gather.js';
import { checkTestOptions, checkTrainOptions, type PlannedBatch, testOrder, trainOrder } from './order.js';
import { outputShapeOf, type Pipeline, pipelineOf, type Transforms } from './transforms.js';

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
  const gather = createGather({ ...pixels, stored: inputShape });
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

  function valuesOf(
    images: Split['images'],
    batch: PlannedBatch,
    pipeline: Pipeline,
    format: PixelFormat,
    name: SplitName,
  ) {
    const plain = transforms[name].length === 0;
    if (!(images instanceof Uint8Array)) {
      if (format === 'uint8' || !plain)
        throw new OptionsError(
          `${where}: images of floats have no bytes and no transforms; give them as a Uint8Array`,
        );
      return gather(images, batch.rows);
    }
    if (plain && format === 'float32') return gather(images, batch.rows);
    const bytes = transformed(images, batch, pipeline);
    return format === 'uint8' ? Int32Array.from(bytes) : gather(bytes, Uint32Array.from(batch.rows.keys()));
  }

  async function* batches(
    name: SplitName,
    format: PixelFormat,
    order: () => Iterable<PlannedBatch>,
  ): AsyncGenerator<TrainBatch> {
    const [{ images, labels }] = await Promise.all([loaded(name), tf.ready()]);
    const pipeline = pipelineOf(transforms[name], pixels.stored);
    for (const batch of order()) {
      const values = valuesOf(images, batch, pipeline, format, name);
      const classes = Int32Array.from(batch.rows, row => labels[row]!);
      yield { ...batchTensors(values, classes, inputShape, format), state: batch.state };
    }
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
