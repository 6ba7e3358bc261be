/** The registry of architectures: `zoo.lenet(options)`, `zoo.create('lenet', options)`, `zoo.list()`. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { OptionsError } from '../src/errors.js';
import type { ArchitectureDescription, ArchitectureOptions } from './architecture.js';
import { lenet, lenetDescription } from './lenet.js';

const ARCHITECTURES: Readonly<
  Record<string, { describe: ArchitectureDescription; create(options?: ArchitectureOptions): LayersModel }>
> = {
  lenet: { describe: lenetDescription, create: lenet },
};

export const zoo = {
  lenet,

  /**
   * Builds an architecture by its name.
   *
   * @throws OptionsError that lists the known names
   */
  create(name: string, options?: ArchitectureOptions): LayersModel {
    if (!Object.hasOwn(ARCHITECTURES, name)) {
      throw new OptionsError(
        `zoo.create: there is no '${name}'; known: ${Object.keys(ARCHITECTURES).join(', ')}`,
      );
    }
    return ARCHITECTURES[name]!.create(options);
  },

  /** What there is, with paper, input shape and sizes. */
  list(): ArchitectureDescription[] {
    return Object.values(ARCHITECTURES).map(({ describe }) => describe);
  },
};

export type { ArchitectureDescription, ArchitectureOptions } from './architecture.js';
