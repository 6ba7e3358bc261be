/** Images of bytes as numbers; op and fallback: src/ops/pixels.ts. */
import type { Kernels } from '../kernel.js';

export const pixelKernels: Kernels = {
  Pixels: ({ inputs: { table }, attributes: { bytes, shape }, aten }) =>
    aten('padezoo::pixels', bytes, shape, table!),
};
