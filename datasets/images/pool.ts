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
  readonly job: Job;
  resolve(bad: readonly BadImage[]): void;
  reject(error: unknown): void;
}

/** Jobs go to whichever worker is free, in the order in which they were given. */
export class Pool {
  readonly #workers: Worker[] = [];
  readonly #free: Worker[] = [];
  readonly #waiting: Pending[] = [];
  readonly #running = new Map<number, Pending>();
  #failure: WorkerError | undefined;
  #closed = false;
  #ids = 0;

  constructor(workers: number, setting: WorkerSetting) {
    for (let i = 0; i < workers; i++) {
      const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: setting });
      worker.on('message', ({ id, bad }: JobResult) => {
        this.#running.get(id)?.resolve(bad);
        this.#running.delete(id);
        this.#free.push(worker);
        this.#start();
      });
      worker.on('error', error => this.#fail(`a worker failed: ${error.message}`, error));
      worker.on('exit', code => {
        if (!this.#closed) this.#fail(`a worker ended with code ${code}`);
      });
      this.#workers.push(worker);
      this.#free.push(worker);
    }
  }

  run(work: Omit<Job, 'id'>): Promise<readonly BadImage[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job: { ...work, id: this.#ids++ }, resolve, reject });
      this.#start();
    });
  }

  /** Ends all threads, whatever they are doing. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map(worker => worker.terminate()));
    this.#running.clear();
    this.#waiting.length = 0;
  }

  #start(): void {
    while (this.#free.length > 0 && this.#waiting.length > 0) {
      const worker = this.#free.pop()!;
      const pending = this.#waiting.shift()!;
      this.#running.set(pending.job.id, pending);
      worker.postMessage(pending.job);
    }
  }

  #fail(message: string, cause?: unknown): void {
    this.#failure ??= new WorkerError(`datasets: ${message}; the epoch cannot go on`, { cause });
    for (const pending of [...this.#running.values(), ...this.#waiting]) pending.reject(this.#failure);
    this.#running.clear();
    this.#waiting.length = 0;
  }
}
