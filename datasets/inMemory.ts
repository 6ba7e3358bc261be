/** Makes a `Dataset` of images that are held in memory, read from wherever they lie on first use. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { checkOptions } from '../src/options.js';
import { permutation } from '../src/random.js';
import type { Batch, Dataset, TestOptions, TrainOptions } from './dataset.js';
import { createGather, type Pixels } from './gather.js';

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
  readonly pixels: Pixels;
  /** Called once a split, when its first batch is asked for; again only after it has failed. */
  load(split: SplitName): Promise<Split>;
}

const batchSize = z.int().min(1);
const TrainOptionsSchema = z.strictObject({
  batchSize,
  seed: z.int().min(0),
  epoch: z.int().min(0),
});
const TestOptionsSchema = z.strictObject({ batchSize });

export function inMemoryDataset(description: InMemoryOptions): Dataset {
  const { pixels, load, ...facts } = description;
  const [height, width, channels] = pixels.stored;
  const inputShape = [height + 2 * pixels.border, width + 2 * pixels.border, channels] as const;
  const gather = createGather(pixels);
  const splits: Partial<Record<SplitName, Promise<Split>>> = {};

  function loaded(name: SplitName): Promise<Split> {
    splits[name] ??= load(name).catch(error => {
      delete splits[name]; // the user may mend the file and try again
      throw error;
    });
    return splits[name];
  }

  async function* batches(name: SplitName, size: number, order: () => Uint32Array): AsyncGenerator<Batch> {
    const [{ images, labels }] = await Promise.all([loaded(name), tf.ready()]);
    const rows = order();
    for (let start = 0; start < rows.length; start += size) {
      const chosen = rows.subarray(start, start + size);
      const values = gather(images, chosen);
      const classes = Int32Array.from(chosen, row => labels[row]!);
      yield tf.tidy(() => ({
        images: tf.tensor(values, [chosen.length, ...inputShape]) as tf.Tensor4D,
        labels: tf.tensor(classes, [chosen.length], 'int32') as tf.Tensor1D,
      }));
    }
  }

  return {
    ...facts,
    inputShape,
    mean: pixels.mean,
    std: pixels.std,
    train(options: TrainOptions) {
      const { batchSize, seed, epoch } = checkOptions(TrainOptionsSchema, options, `${facts.name}.train`);
      const order = () => permutation(facts.length.train, seed, epoch);
      return { [Symbol.asyncIterator]: () => batches('train', batchSize, order) };
    },
    test(options: TestOptions) {
      const { batchSize } = checkOptions(TestOptionsSchema, options, `${facts.name}.test`);
      const order = () => Uint32Array.from({ length: facts.length.test }, (_, i) => i);
      return { [Symbol.asyncIterator]: () => batches('test', batchSize, order) };
    },
  };
}
