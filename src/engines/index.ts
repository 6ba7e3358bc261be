/** Choosing what calculates: `engine.use('torch')`, or the best that works, by itself. */
import { isMainThread } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, type EngineName, type EngineOptions, engineOfEnvironment } from './choice.js';
import { hasTensorflow, loadTensorflow } from './tensorflow.js';
import { loadAddon } from './torch/addon.js';
import { useDevice } from './torch/device.js';
import { EngineError, TorchBackend } from './torch/index.js';
import { chosenPrecision, setEnginePrecision } from './torch/precision.js';

export type { EngineName, EngineOptions };

/** Kernels without which a network of convolutions cannot be trained. */
const TRAINING_KERNELS = ['Conv2DBackpropFilter', 'Conv2DBackpropInput', 'MaxPoolGrad'];

let choosing: Promise<void> | undefined;

export const engine = {
  /** tfjs's name of the running engine; `undefined` before the first use. */
  get name(): string | undefined {
    return tf.getBackend();
  },

  /**
   * Makes an engine the one that calculates from now on; where it does not start, the one before stays. `threads`
   * stays as it is where it is not given; `device` is then `'cpu'` and `precision` `'fp32'`.
   *
   * @param name `'torch'` (libtorch, native), `'tensorflow'` (your own `@tensorflow/tfjs-node` or `-gpu`), `'wasm'`
   *   (portable, inference) or `'cpu'` (plain JavaScript, slow)
   * @throws OptionsError when there is no such engine, or it has no such option
   * @throws EngineError when it does not work on this machine, with what to install
   */
  async use(name: EngineName, options: EngineOptions = {}): Promise<void> {
    const { device = 'cpu', threads, precision = 'fp32', convolutions } = checkChoice(name, options);
    if (name === 'torch') {
      // Before it is tfjs's: where the device is not there, the engine before stays.
      const { addon, record } = loadAddon();
      useDevice(addon, device, `${record.libtorch.version} from ${record.libtorch.from}`);
    }
    await start(name);
    if (name === 'torch') {
      const { addon } = torch().native;
      if (threads) addon.setThreads(threads);
      setEnginePrecision(precision, tf32 => addon.setFastMath(tf32, convolutions === 'measured'));
    }
    choosing = Promise.resolve();
  },

  /**
   * Waits until an engine runs. Without `use` it is the one that PADEZOO_ENGINE names, else the program's own tfjs
   * backend, else the first that works of torch, tensorflow (if installed) and wasm; which one it is, is said once on
   * standard error.
   *
   * @throws OptionsError when PADEZOO_ENGINE names no engine
   */
  ready(): Promise<void> {
    choosing ??= choose().catch(error => {
      choosing = undefined; // may be mended and tried again
      throw error;
    });
    return choosing;
  },

  /** For people: `'torch 2.13.0, CPU, 2 threads'`. */
  describe(): string {
    const name = tf.getBackend();
    if (name === 'tensorflow') {
      const { binding } = tf.backend() as tf.KernelBackend & { binding?: { TF_Version?: string } };
      return `tensorflow ${binding?.TF_Version ?? ''}`.trim();
    }
    if (name !== 'torch') return name ?? 'none';
    const { addon } = torch().native;
    const threads = addon.threads();
    const precision = chosenPrecision() === 'fp32' ? '' : `, ${chosenPrecision()}`;
    const device = addon.device() === 'cpu' ? 'CPU' : addon.device();
    return `torch ${addon.version}, ${device}, ${threads} ${threads === 1 ? 'thread' : 'threads'}${precision}`;
  },

  /** Whether networks of convolutions can be trained on the running engine. */
  canTrain(): boolean {
    return TRAINING_KERNELS.every(kernel => tf.getKernel(kernel, tf.getBackend()) != null);
  },

  /** Bytes (of a GPU, too) and tensors that the torch engine holds natively; bytes it keeps for reuse are in `cachedBytes`. */
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

/** Registers the engine with tfjs, where importing padezoo has not done so. */
async function register(name: EngineName): Promise<void> {
  if (name === 'torch') loadAddon(); // here, because tfjs would only print what went wrong
  if (name === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
  if (name === 'cpu') await import('@tensorflow/tfjs-backend-cpu');
  if (name === 'tensorflow') await loadTensorflow();
}

async function start(name: EngineName): Promise<void> {
  const before = tf.getBackend();
  if (before !== name) await register(name);
  if (!(await tf.setBackend(name))) {
    if (before) await tf.setBackend(before);
    throw new EngineError(`engine.use: '${name}' does not start on this machine`);
  }
  await tf.ready();
  // On its first use it prints advice to install another engine, to somebody who chose this one.
  if (name === 'cpu') Object.assign(tf.backend(), { firstUse: false });
}

async function choose(): Promise<void> {
  const named = engineOfEnvironment();
  if (named) return engine.use(named);
  if (tf.getBackend()) return; // already running, or the user's own choice
  await startBest();
  const limits = engine.canTrain() ? '' : ': inference works, training does not';
  if (isMainThread || limits) say(`using ${engine.describe()}${limits}`);
}

async function startBest(): Promise<void> {
  const natives: EngineName[] = hasTensorflow() ? ['torch', 'tensorflow'] : ['torch'];
  for (const name of natives) {
    try {
      return await start(name);
    } catch (error) {
      say((error as Error).message);
    }
  }
  await start('wasm');
}

function say(line: string): void {
  process.stderr.write(`padezoo: ${line}\n`);
}
