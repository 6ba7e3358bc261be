/** The engine `tensorflow` is the user's own `@tensorflow/tfjs-node` or `-gpu`: finding it, and naming what is wrong with it. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './torch/index.js';

/** The faster one first. */
const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

const isRegistered = () => tf.engine().registryFactory.tensorflow !== undefined;

/**
 * Loads the package, unless the program has done so; it registers itself, and makes itself tfjs's backend.
 *
 * @throws EngineError when there is none, when it does not load, or when it has brought a tfjs-core of its own
 */
export async function loadTensorflow(): Promise<void> {
  if (isRegistered()) return;
  const found = PACKAGES.map(name => ({ name, path: pathOf(name) })).find(({ path }) => path);
  if (!found?.path)
    throw new EngineError(
      `engine.use('tensorflow'): neither ${PACKAGES.join(' nor ')} is installed here; run \`npm install @tensorflow/tfjs-node\``,
    );
  try {
    await import(pathToFileURL(found.path).href);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new EngineError(
      `engine.use('tensorflow'): ${found.name} does not load: ${reason}\nOn Linux, padezoo's scripts/build-tfjs-node.mjs builds it for this machine.`,
      { cause },
    );
  }
  if (!isRegistered())
    throw new EngineError(
      `engine.use('tensorflow'): ${found.path} has a @tensorflow/tfjs-core of its own, not padezoo's ${tf.version_core}; install the same version of both, then run \`npm dedupe\``,
    );
}

/** Whether it is there to be loaded; says nothing about whether it works. */
export function hasTensorflow(): boolean {
  return isRegistered() || PACKAGES.some(pathOf);
}

/** From the program's folder first, then from padezoo's own place. */
function pathOf(name: string): string | undefined {
  for (const place of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(place).resolve(name);
    } catch {
      // Not there is an answer.
    }
  }
  return undefined;
}
