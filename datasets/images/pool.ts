/** Worker threads that decode batches into a ring of shared buffers, in order, within a bound of memory. */
import { Worker } from 'node:worker_threads';
import { PadezooError } from '../../src/errors.js';
import type { Location } from '../archives/read.js';
import type { DecodeOptions } from './decode.js';
import type { Viewing } from './views.js';

/** Images whose bytes go to `buffer`, from image `first` on. */
export interface Job {
  readonly id: number;
  readonly buffer: SharedArrayBuffer;
  readonly first: number;
  readonly seed: number;
  readonly epoch: number;
  readonly images: readonly { readonly row: number; readonly location: Location }[];
}

export interface BadImage {
  /** In the batch. */
  readonly index: number;
  readonly reason: string;
}

export interface JobResult {
  readonly id: number;
  readonly bad: readonly BadImage[];
}

export interface WorkerSetting {
  readonly viewing: Viewing;
  readonly decode: DecodeOptions;
  readonly readsAtOnce: number;
}

/** A worker thread died; what it was decoding is lost. */
export class WorkerError extends PadezooError {
  override readonly name = 'WorkerError';
}

interface Pending {
  readonly member: Member;
  readonly images: number;
  resolve(bad: readonly BadImage[]): void;
  reject(error: unknown): void;
}

interface Member {
  readonly worker: Worker;
  /** That it has been given and not yet decoded. */
  images: number;
}

/**
 * Every job goes at once to the worker with the least to do, which takes its jobs one after the other: workers go on while
 * this thread calculates a training step and answers nobody.
 */
export class Pool {
  readonly #members: Member[] = [];
  readonly #running = new Map<number, Pending>();
  #failure: WorkerError | undefined;
  #closed = false;
  #ids = 0;

  constructor(workers: number, setting: WorkerSetting) {
    for (let i = 0; i < workers; i++) {
      const worker = new Worker(new URL('./worker.js', import.meta.url), {
        workerData: setting,
        execArgv: [], // Node's own flags may not suit a file: --input-type
      });
      worker.on('message', ({ id, bad }: JobResult) => {
        const pending = this.#running.get(id);
        this.#running.delete(id);
        if (!pending) return;
        pending.member.images -= pending.images;
        pending.resolve(bad);
      });
      worker.on('error', error => this.#fail(`a worker failed: ${error.message}`, error));
      worker.on('exit', code => {
        if (!this.#closed) this.#fail(`a worker ended with code ${code}`);
      });
      this.#members.push({ worker, images: 0 });
    }
  }

  run(work: Omit<Job, 'id'>): Promise<readonly BadImage[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const id = this.#ids++;
      const images = work.images.length;
      const member = this.#members.reduce((least, other) => (other.images < least.images ? other : least));
      member.images += images;
      this.#running.set(id, { member, images, resolve, reject });
      member.worker.postMessage({ ...work, id } satisfies Job);
    });
  }

  /** Ends all threads, whatever they are doing. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
    this.#running.clear();
  }

  #fail(message: string, cause?: unknown): void {
    this.#failure ??= new WorkerError(`datasets: ${message}; the epoch cannot go on`, { cause });
    for (const pending of this.#running.values()) pending.reject(this.#failure);
    this.#running.clear();
  }
}
