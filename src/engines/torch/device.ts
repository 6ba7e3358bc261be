/** Choosing where the torch engine calculates, and saying clearly why a GPU cannot be had. */
import { EngineError, type LoadedAddon } from './addon.js';

let isCpu = true;

/** For tests: the addon treats the CPU as a device that has none of our kernels. */
const isComposed = process.env.PADEZOO_COMPOSED === '1';

/** Whether tensors are where the kernels are that only a CPU has. */
export function isOnCpu(): boolean {
  return isCpu && !isComposed;
}

/** What `useDevice` needs of the addon. */
type Devices = Pick<LoadedAddon['addon'], 'gpus' | 'device' | 'setDevice'>;

/**
 * Makes `device` the engine's; its tensors move there.
 *
 * @throws EngineError when libtorch is built without CUDA, or the machine has no such GPU
 */
export function useDevice(addon: Devices, device: string, libtorch: string): void {
  if (device !== 'cpu') {
    const gpus = addon.gpus();
    if (gpus === null)
      throw new EngineError(
        `engine.use('torch'): device '${device}' needs a libtorch with CUDA, but the one in use, ${libtorch}, is built for the CPU; install PyTorch with CUDA (\`pip install torch\`), or set PADEZOO_LIBTORCH to it, then run \`npm run setup -- --again\``,
      );
    const index = Number(device.split(':')[1] ?? 0);
    if (index >= gpus)
      throw new EngineError(
        gpus === 0
          ? `engine.use('torch'): device '${device}' is not there: CUDA finds no GPU on this machine (see \`nvidia-smi\`)`
          : `engine.use('torch'): device '${device}' is not there: this machine has ${gpus === 1 ? 'cuda:0 alone' : `cuda:0 to cuda:${gpus - 1}`}`,
      );
  }
  try {
    addon.setDevice(device);
    isCpu = device === 'cpu';
  } catch (cause) {
    throw new EngineError(`engine.use('torch'): device '${device}': ${(cause as Error).message}`, { cause });
  }
}
