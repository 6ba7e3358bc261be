/** Choosing what calculates: `engine.use('torch')`, or the best that works, by itself. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { OptionsError } from '../errors.js';
import { checkOptions } from '../options.js';
import { EngineError, TorchBackend } from './torch/index.js';

const ENGINES = ['torch', 'wasm', 'cpu', 'tensorflow'] as const;
export type EngineName = (typeof ENGINES)[number];

const UseOptions = z.strictObject({
  /** CPU threads of the torch engine; default: all cores. */
  threads: z.int().min(1).optional(),
});
export type EngineOptions = z.input<typeof UseOptions>;

/** Kernels without which a network of convolutions cannot be trained. */
const TRAINING_KERNELS = ['Conv2DBackpropFilter', 'Conv2DBackpropInput', 'MaxPoolGrad'];

let choosing: Promise<void> | undefined;

export const engine = {
  /** tfjs's name of the running engine; `undefined` before the first use. */
  get name(): string | undefined {
    return tf.getBackend();
  },

  /**
   * Makes an engine the one that calculates from now on.
   *
   * @param name `'torch'` (libtorch, native), `'wasm'` (portable, inference), `'cpu'` (plain JavaScript, slow) or
   *   `'tensorflow'` (your own `@tensorflow/tfjs-node`, imported before)
   * @throws EngineError when it does not work on this machine, with what to install
   */
  async use(name: EngineName, options: EngineOptions = {}): Promise<void> {
    if (!ENGINES.includes(name)) {
      throw new OptionsError(`engine.use: must be one of ${ENGINES.join(', ')}, got '${String(name)}'`);
    }
    const { threads } = checkOptions(UseOptions, options, 'engine.use');
    await register(name);
    await start(name);
    if (threads && name === 'torch') torch().native.addon.setThreads(threads);
    choosing = Promise.resolve();
  },

  /**
   * Waits until an engine runs. Without `use` it is the one that PADEZOO_ENGINE names, else torch, else wasm (and it
   * says so once on standard error).
   */
  ready(): Promise<void> {
    choosing ??= chooseBest();
    return choosing;
  },

  /** For people: `'torch 2.13.0, CPU, 2 threads'`. */
  describe(): string {
    if (tf.getBackend() !== 'torch') return tf.getBackend() ?? 'none';
    const { addon } = torch().native;
    return `torch ${addon.version}, CPU, ${addon.threads()} threads`;
  },

  /** Whether networks of convolutions can be trained on the running engine. */
  canTrain(): boolean {
    return TRAINING_KERNELS.every(kernel => tf.getKernel(kernel, tf.getBackend()) != null);
  },

  /** Bytes and tensors that the torch engine holds natively; bytes it keeps for reuse are in `cachedBytes`. */
  memory(): { tensors: number; usedBytes: number; cachedBytes: number } {
    return torch().native.addon.memory();
  },

  /** Gives memory that the torch engine keeps for reuse back to the system. */
  releaseMemory(): void {
    torch().native.addon.releaseMemory();
  },
};

function torch(): TorchBackend {
  const backend = tf.getBackend() === 'torch' ? tf.backend() : undefined;
  if (backend instanceof TorchBackend) return backend;
  throw new EngineError(
    `engine: torch is not running (the engine is ${tf.getBackend() ?? 'not chosen yet'})`,
  );
}

async function register(name: EngineName): Promise<void> {
  if (name === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
  if (name === 'cpu') await import('@tensorflow/tfjs-backend-cpu');
  if (name === 'tensorflow' && !tf.engine().registryFactory.tensorflow) {
    throw new EngineError(
      "engine.use('tensorflow'): import '@tensorflow/tfjs-node' (or -gpu) first; it must share padezoo's @tensorflow/tfjs-core",
    );
  }
}

async function start(name: EngineName): Promise<void> {
  if (name === 'torch' && tf.getBackend() !== 'torch') {
    // Once by hand, because tfjs would only print what went wrong.
    const { loadAddon } = await import('./torch/addon.js');
    loadAddon();
  }
  if (!(await tf.setBackend(name)))
    throw new EngineError(`engine.use: '${name}' does not start on this machine`);
  await tf.ready();
}

async function chooseBest(): Promise<void> {
  const wanted = process.env.PADEZOO_ENGINE;
  if (wanted) return engine.use(wanted as EngineName);
  if (tf.getBackend()) return; // already running, or the user's own choice
  try {
    await start('torch');
  } catch (error) {
    await register('wasm');
    await start('wasm');
    process.stderr.write(
      `padezoo: ${(error as Error).message}\npadezoo: using the wasm engine: inference works, training does not\n`,
    );
  }
}
