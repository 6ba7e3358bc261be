/** A data set whose epochs end early: for trying things out. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import type { Dataset } from './dataset.js';

const images = z.int().min(1).optional();
export const Limits = z.strictObject({
  /** Images an epoch; each epoch has others. */
  train: images,
  /** The first so many test images. */
  test: images,
});
export type Limits = z.input<typeof Limits>;

/**
 * `data` with epochs of `train` images and `test` test images at most; `datasets.create` makes it again.
 * @throws OptionsError
 */
export function limit(data: Dataset, limits: Limits): Dataset {
  const where = 'datasets.limit';
  const { train, test } = checkOptions(Limits, limits, where);
  if ('limit' in data.options)
    throw new OptionsError(`${where}: ${data.name} is limited already; limit the whole set`);
  const length = {
    train: Math.min(data.length.train, train ?? Number.POSITIVE_INFINITY),
    test: Math.min(data.length.test, test ?? Number.POSITIVE_INFINITY),
  };
  return {
    ...data,
    options: { ...data.options, limit: { ...(train && { train }), ...(test && { test }) } },
    length,
    train: options =>
      data.train({ ...options, images: Math.min(options.images ?? length.train, length.train) }),
    test: options => data.test({ ...options, images: Math.min(options.images ?? length.test, length.test) }),
  };
}
