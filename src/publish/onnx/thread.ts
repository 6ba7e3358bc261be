/** onnxruntime on a thread of its own: its `run` holds the thread that calls it, where the engine has work meanwhile. */
import { Worker } from 'node:worker_threads';
import { PadezooError } from '../../errors.js';
import type { Bytes } from '../manifest.js';

export interface SessionSetting {
  readonly bytes: Bytes;
}

export interface Batch {
  readonly id: number;
  /** Of `shape`, in row-major order. */
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

export type Request = Batch | 'close';

export type Answer =
  /** The user's machine has no onnxruntime-node. */
  | { readonly type: 'absent' }
  | { readonly type: 'ready'; readonly version: string }
  | { readonly type: 'outputs'; readonly id: number; readonly values: Float32Array }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };

/** onnxruntime refused a model or its input, or ended. */
export class OnnxRuntimeError extends PadezooError {
  override readonly name = 'OnnxRuntimeError';
}

interface Waiting {
  resolve(values: Float32Array): void;
  reject(error: OnnxRuntimeError): void;
}

export class OnnxThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #ids = 0;
  #ended: OnnxRuntimeError | undefined;
  /** onnxruntime's; undefined where onnxruntime-node is not installed. */
  readonly version: Promise<string | undefined>;

  /** @param bytes of an ONNX model; copied. Whoever makes the thread disposes it */
  constructor(bytes: Bytes) {
    const workerData: SessionSetting = { bytes: bytes.slice() }; // a view's whole buffer would be copied
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData,
      transferList: [workerData.bytes.buffer],
      execArgv: [], // Node's own flags may not suit a file: --input-type
    });
    this.version = new Promise((resolve, reject) => {
      const end = (message: string) => {
        this.#ended ??= new OnnxRuntimeError(message);
        reject(this.#ended);
        for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
      };
      this.#worker.on('error', error => end(error.message));
      this.#worker.on('exit', code => end(`the thread of onnxruntime ended with code ${code}`));
      this.#worker.on('message', (answer: Answer) => {
        if (answer.type === 'ready') resolve(answer.version);
        else if (answer.type === 'absent') resolve(undefined);
        else this.#settle(answer);
      });
    });
    this.version.catch(() => {}); // whoever runs a batch is told as well
  }

  /**
   * Batches may be given before the answers of earlier ones are there.
   * @returns the values of the model's first output
   * @throws OnnxRuntimeError
   */
  run(values: Float32Array, shape: readonly number[]): Promise<Float32Array> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const batch: Batch = { id: this.#ids++, values, shape };
      this.#waiting.set(batch.id, { resolve, reject });
      this.#post(batch);
    });
  }

  /** Batches that were given are answered first: onnxruntime aborts the process when its thread is ended while it calculates. */
  dispose(): void {
    this.#post('close');
  }

  #post(request: Request): void {
    this.#worker.postMessage(request);
  }

  #settle(answer: Extract<Answer, { readonly id: number }>): void {
    const { resolve, reject } = this.#waiting.get(answer.id)!;
    this.#waiting.delete(answer.id);
    if (answer.type === 'outputs') resolve(answer.values);
    else reject(new OnnxRuntimeError(answer.message));
  }
}
