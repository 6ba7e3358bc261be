/** Batches of decoded bytes in the order of a plan, by worker threads in a ring of shared buffers, within a bound of memory. */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { OptionsError } from '../../src/errors.js';
import type { Location } from '../archives/read.js';
import { BadImageError } from '../errors.js';
import type { PlannedBatch } from '../order.js';
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
export const StreamOptions = z.strictObject(streamShape);
export type StreamOptions = z.input<typeof StreamOptions>;
export type CheckedStreamOptions = z.output<typeof StreamOptions>;

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

const JOB_IMAGES = 16; // small enough to share a batch among threads, large enough that messages cost nothing

interface Slot {
  readonly buffer: SharedArrayBuffer;
  batch?: PlannedBatch;
  /** Row of each image, after replacements; null where one is skipped. */
  rows?: (number | null)[];
  ready?: Promise<BadSample[]>;
}

export interface DecodedBatch {
  /** `[rows.length, size, size, 3]`; valid until the next batch is asked for. */
  readonly bytes: Uint8Array;
  readonly rows: readonly number[];
  readonly state: PlannedBatch['state'];
}

/** An epoch, and who wants it. */
export interface DecodedWork {
  /** The function that the user called, for messages: `'datasets.imageFolder'`. */
  readonly where: string;
  readonly split: EncodedSplit;
  readonly viewing: Viewing;
  readonly batchSize: number;
  readonly order: Iterable<PlannedBatch>;
  /** Kept up to date. */
  readonly summary: EpochSummary;
}

/**
 * The batches in their order, while workers decode those ahead; they end with the loop.
 *
 * @throws OptionsError when a batch is larger than the memory, BadImageError, WorkerError
 */
export async function* decodedBatches(
  { where, split, viewing, batchSize, order, summary }: DecodedWork,
  options: CheckedStreamOptions,
): AsyncGenerator<DecodedBatch, void> {
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
