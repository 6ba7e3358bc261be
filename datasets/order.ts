/** Which images each batch of an epoch holds: a pure function of seed, epoch, position and shard. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { permutation } from '../src/random.js';
import type { EpochState, TestOptions, TrainOptions } from './dataset.js';

const batchSize = z.int().min(1);
const images = z.int().min(1).optional();
const pixels = z.enum(['float32', 'uint8']).default('float32');

const TrainOptionsSchema = z.strictObject({
  batchSize,
  seed: z.int().min(0),
  epoch: z.int().min(0),
  position: z.int().min(0).default(0),
  shard: z.strictObject({ rank: z.int().min(0), ranks: z.int().min(1) }).default({ rank: 0, ranks: 1 }),
  pixels,
  images,
});
export type CheckedTrainOptions = z.output<typeof TrainOptionsSchema>;

const TestOptionsSchema = z.strictObject({ batchSize, pixels, images });
export type CheckedTestOptions = z.output<typeof TestOptionsSchema>;

/**
 * @param length images of the split
 * @throws OptionsError
 */
export function checkTrainOptions(options: TrainOptions, length: number, where: string): CheckedTrainOptions {
  const checked = checkOptions(TrainOptionsSchema, options, where);
  const { position, shard, batchSize } = checked;
  const end = Math.min(length, checked.images ?? length);
  if (position > end)
    throw new OptionsError(
      `${where}: position must be at most ${end}, the images of the epoch, got ${position}`,
    );
  if (shard.rank >= shard.ranks)
    throw new OptionsError(
      `${where}: shard.rank must be below shard.ranks, ${shard.ranks}, got ${shard.rank}`,
    );
  if (batchSize < shard.ranks)
    throw new OptionsError(
      `${where}: batchSize counts the images of all ranks together, so it must be at least ${shard.ranks}, got ${batchSize}`,
    );
  return checked;
}

/** @throws OptionsError */
export function checkTestOptions(options: TestOptions, where: string): CheckedTestOptions {
  return checkOptions(TestOptionsSchema, options, where);
}

/** One batch of an epoch, before anything is read. */
export interface PlannedBatch {
  /** Indices into the split. */
  readonly rows: Uint32Array;
  /** Behind this batch. */
  readonly state: EpochState;
}

/** The epoch's batches from `position` on; of each the part of this rank. */
export function* trainOrder(length: number, options: CheckedTrainOptions): Generator<PlannedBatch, void> {
  const { batchSize, seed, epoch, position, shard } = options;
  const order = permutation(length, seed, epoch);
  const all = Math.min(length, options.images ?? length);
  for (let start = position; start < all; start += batchSize) {
    const end = Math.min(start + batchSize, all);
    const cut = (rank: number) => start + Math.floor(((end - start) * rank) / shard.ranks);
    yield {
      rows: order.subarray(cut(shard.rank), cut(shard.rank + 1)),
      state: { seed, epoch, position: end },
    };
  }
}

/** The rows in file order. */
export function* testOrder(
  length: number,
  { batchSize, images = length }: Pick<CheckedTestOptions, 'batchSize' | 'images'>,
): Generator<PlannedBatch, void> {
  const all = Math.min(length, images);
  for (let start = 0; start < all; start += batchSize) {
    const end = Math.min(start + batchSize, all);
    yield {
      rows: Uint32Array.from({ length: end - start }, (_, i) => start + i),
      state: { seed: 0, epoch: 0, position: end },
    };
  }
}
