/** Makes a `Dataset` of encoded images that lie in archives, folders or behind addresses, decoded by worker threads. */
import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { OptionsError } from '../../src/errors.js';
import { normalisingTable } from '../../src/ops/pixels.js';
import { checkOptions } from '../../src/options.js';
import type { Location } from '../archives/read.js';
import { batchTensors } from '../batchTensors.js';
import type { Dataset, PixelFormat, TestOptions, TrainBatch, TrainOptions } from '../dataset.js';
import { BadImageError } from '../errors.js';
import { checkTestOptions, checkTrainOptions, type PlannedBatch, testOrder, trainOrder } from '../order.js';
import { requireDecoder } from './addon.js';
import { Pool } from './pool.js';
import type { Viewing } from './views.js';

/** Encoded images with their labels, in an order that stays. */
export interface EncodedSplit {
  readonly length: number;
  location(row: number): Location;
  label(row: number): number;
  /** For messages: `'train.tar: n01440764/n01440764_18.JPEG'`. */
  describe(row: number): string;
}

export const streamShape = {
  /** Threads that decode; by default one less than the machine has, at least one. */
  workers: z.int().min(1).max(256).optional(),
  /** Bound of the decoded images that wait, in bytes. */
  memory: z
    .int()
    .min(1)
    .default(256 * 2 ** 20),
  /** Images that a thread reads at once: more hides the latency of a network. */
  readsAtOnce: z.int().min(1).max(64).default(2),
  /**
   * What happens to an image that cannot be read or decoded: the epoch ends with a `BadImageError`; the batch goes without
   * it; or the next sound image of the split takes its place.
   */
  onError: z.enum(['throw', 'skip', 'replace']).default('throw'),
  /** So many bad images an epoch are borne; one more is a `BadImageError`. */
  maxBad: z.int().min(0).default(100),
  /** `'ignore'`: pixels as they are stored, as torchvision; `'apply'`: turned as the EXIF orientation says. */
  orientation: z.enum(['ignore', 'apply']).default('ignore'),
  /** What decodes plain JPEGs, the same pixels by either: `'auto'` is libjpeg-turbo where the addon has it, else sharp. */
  decoder: z.enum(['auto', 'native', 'sharp']).default('auto'),
};
const StreamOptions = z.strictObject(streamShape);
export type StreamOptions = z.input<typeof StreamOptions>;
type CheckedStreamOptions = z.output<typeof StreamOptions>;

export interface BadSample {
  readonly row: number;
  /** Which image, for people. */
  readonly image: string;
  readonly reason: string;
}

/** What an epoch came to; complete when its loop has ended. */
export interface EpochSummary {
  /** Images that were given out. */
  images: number;
  readonly bad: BadSample[];
  /** Time for which the loop waited for decoding. */
  waitedMs: number;
  /** Time from the first to the last batch. */
  totalMs: number;
}

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

const JOB_IMAGES = 16; // small enough to share a batch among threads, large enough that messages cost nothing

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
      for await (const { bytes, rows, state } of decoded(
        split,
        seen,
        stream,
        batchSize,
        order(),
        summary,
        where,
      )) {
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

interface Slot {
  readonly buffer: SharedArrayBuffer;
  batch?: PlannedBatch;
  /** Row of each image, after replacements; null where one is skipped. */
  rows?: (number | null)[];
  ready?: Promise<BadSample[]>;
}

interface Decoded {
  /** `[rows.length, size, size, 3]`; valid until the next batch is asked for. */
  readonly bytes: Uint8Array;
  readonly rows: readonly number[];
  readonly state: PlannedBatch['state'];
}

async function* decoded(
  split: EncodedSplit,
  viewing: Viewing,
  options: CheckedStreamOptions,
  batchSize: number,
  order: Iterable<PlannedBatch>,
  summary: EpochSummary,
  where: string,
): AsyncGenerator<Decoded, void> {
  const imageBytes = viewing.size * viewing.size * 3;
  const batchBytes = Math.min(batchSize, Math.max(1, split.length)) * imageBytes;
  const count = Math.floor(options.memory / batchBytes);
  if (count < 1)
    throw new OptionsError(
      `${where}: a batch of ${batchSize} images has ${batchBytes} bytes, more than memory allows, ${options.memory}; give more memory or smaller batches`,
    );
  const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
  const pool = new Pool(workers, {
    viewing,
    decode: { orientation: options.orientation, decoder: options.decoder },
    readsAtOnce: options.readsAtOnce,
  });
  // No more slots than keep every worker busy: two batches ahead and the one that is used.
  const slots = Math.min(count, 2 + Math.ceil((workers * JOB_IMAGES) / batchSize));
  const free: Slot[] = Array.from({ length: slots }, () => ({ buffer: new SharedArrayBuffer(batchBytes) }));
  const filling: Slot[] = [];
  const listed = new Set<number>();
  const planned = order[Symbol.iterator]();
  const began = performance.now();

  function fill(): void {
    while (free.length > 0) {
      const { value: batch, done } = planned.next();
      if (done) return;
      const slot = free.pop()!;
      slot.batch = batch;
      slot.rows = [...batch.rows];
      slot.ready = fillSlot(pool, split, slot, options);
      slot.ready.catch(() => {}); // it is thrown when its turn comes
      filling.push(slot);
    }
  }

  try {
    fill();
    for (let slot = filling.shift(); slot; slot = filling.shift()) {
      const asked = performance.now();
      const bad = await slot.ready!;
      summary.waitedMs += performance.now() - asked;
      for (const sample of bad) {
        if (!listed.has(sample.row)) summary.bad.push(sample); // it may have failed in its place and in a neighbour's
        listed.add(sample.row);
      }
      const rows = slot.rows!.filter(row => row !== null);
      const unreplaced = options.onError === 'replace' && rows.length < slot.rows!.length;
      const borne = options.onError === 'throw' ? 0 : options.maxBad;
      if (bad.length > 0 && (summary.bad.length > borne || unreplaced))
        throw new BadImageError(where, summary.bad, borne);
      const bytes = compacted(slot, imageBytes);
      summary.images += rows.length;
      summary.totalMs = performance.now() - began;
      yield { bytes, rows, state: slot.batch!.state };
      free.push(slot);
      fill();
    }
    summary.totalMs = performance.now() - began;
  } finally {
    await pool.close();
  }
}

/** -> the bad images, in the batch's order; rows of what has no image are null */
async function fillSlot(
  pool: Pool,
  split: EncodedSplit,
  slot: Slot,
  options: CheckedStreamOptions,
): Promise<BadSample[]> {
  const rows = slot.rows!;
  const { seed, epoch } = slot.batch!.state;
  const bad: BadSample[] = [];
  let indices = rows.map((_, index) => index);
  for (let round = 0; indices.length > 0; round++) {
    const failed = (await Promise.all(runs(indices).map(run => decodeRun(run)))).flat();
    failed.sort((a, b) => a.index - b.index);
    for (const { index, reason } of failed)
      bad.push({ row: rows[index]!, image: split.describe(rows[index]!), reason });
    const tooMany = new Set(bad.map(({ row }) => row)).size > options.maxBad;
    if (options.onError !== 'replace' || tooMany || round + 1 >= split.length) {
      for (const { index } of failed) rows[index] = null;
      break;
    }
    indices = failed.map(({ index }) => index);
    for (const index of indices) rows[index] = (rows[index]! + 1) % split.length;
  }
  return bad;

  function decodeRun(run: readonly number[]) {
    const images = run.map(index => ({ row: rows[index]!, location: split.location(rows[index]!) }));
    return pool.run({ buffer: slot.buffer, first: run[0]!, seed, epoch, images });
  }
}

/** Stretches of neighbouring indices, each short enough for a job. */
function runs(indices: readonly number[]): number[][] {
  const all: number[][] = [];
  for (const index of indices) {
    const last = all.at(-1);
    if (last && last.length < JOB_IMAGES && last.at(-1) === index - 1) last.push(index);
    else all.push([index]);
  }
  return all;
}

/** The images of the slot that are there, moved together. */
function compacted({ buffer, rows }: Slot, imageBytes: number): Uint8Array {
  const bytes = new Uint8Array(buffer);
  let to = 0;
  rows!.forEach((row, from) => {
    if (row === null) return;
    if (to !== from) bytes.copyWithin(to * imageBytes, from * imageBytes, (from + 1) * imageBytes);
    to++;
  });
  return bytes.subarray(0, to * imageBytes);
}
