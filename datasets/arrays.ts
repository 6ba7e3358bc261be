/** A data set from a user's own arrays. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import type { Dataset } from './dataset.js';
import { inMemoryDataset, type Split } from './inMemory.js';
import { TransformsSchema } from './transforms.js';

const SplitSchema = z.strictObject({
  /** `[n, height, width, channels]`: bytes, or floats that are scaled to [0, 1] already */
  images: z.union([z.instanceof(Uint8Array), z.instanceof(Float32Array)]),
  /** `[n]` class indices */
  labels: z.union([z.instanceof(Uint8Array), z.instanceof(Int32Array), z.array(z.int())]),
});

const ArraysOptions = z.strictObject({
  name: z.string().min(1).default('arrays'),
  train: SplitSchema,
  test: SplitSchema,
  /** `[height, width, channels]` */
  inputShape: z.tuple([z.int().min(1), z.int().min(1), z.int().min(1)]),
  /** Their names; a label is an index into them. */
  classes: z.array(z.string()).min(1),
  /** Per channel, subtracted from pixels in [0, 1]; zeros by default. */
  mean: z.array(z.number()).optional(),
  /** Per channel, divides afterwards; ones by default. */
  std: z.array(z.number().gt(0)).optional(),
  /** Of images that are bytes, before the normalisation; none by default. */
  transforms: TransformsSchema.default({ train: [], test: [] }),
  licence: z.string().default('unknown'),
});
export type ArraysOptions = z.input<typeof ArraysOptions>;

/**
 * A `Dataset` over arrays in memory, which it borrows: change them and the batches change. It cannot be made again by
 * `datasets.create`, so a model trained on it is pruned with `data` given.
 * @throws OptionsError
 */
export function fromArrays(options: ArraysOptions): Dataset {
  const where = 'datasets.fromArrays';
  const { name, inputShape, classes, licence, train, test, transforms, ...statistics } = checkOptions(
    ArraysOptions,
    options,
    where,
  );
  const [height, width, channels] = inputShape;
  const mean = statistics.mean ?? Array<number>(channels).fill(0);
  const std = statistics.std ?? Array<number>(channels).fill(1);
  if (mean.length !== channels || std.length !== channels)
    throw new OptionsError(
      `${where}: mean and std must have one number a channel, ${channels}, got ${mean.length} and ${std.length}`,
    );

  const imageValues = height * width * channels;
  const checked = (split: 'train' | 'test', { images, labels }: typeof train): Split => {
    if (images.length !== labels.length * imageValues)
      throw new OptionsError(
        `${where}: ${split} has ${labels.length} labels, so its images of ${inputShape.join(' x ')} must have ` +
          `${labels.length * imageValues} values, got ${images.length}`,
      );
    const wrong = labels.findIndex((label: number) => label < 0 || label >= classes.length);
    if (wrong >= 0)
      throw new OptionsError(
        `${where}: ${split} labels must be indices into the ${classes.length} classes, got ${labels[wrong]} at ${wrong}`,
      );
    return { images, labels: Array.isArray(labels) ? Int32Array.from(labels) : labels };
  };
  const splits = { train: checked('train', train), test: checked('test', test) };

  return inMemoryDataset({
    name,
    where,
    options: {},
    source: 'arrays in memory',
    licence,
    classes,
    length: { train: splits.train.labels.length, test: splits.test.labels.length },
    pixels: { stored: inputShape, mean, std },
    transforms,
    load: async split => splits[split],
  });
}
