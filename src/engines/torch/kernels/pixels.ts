/** Images of bytes as tensors; op and fallback: src/ops/pixels.ts. */
import type { Kernels } from '../kernel.js';

export const pixelKernels: Kernels = {
  NormalisedPixels: ({ inputs: { table }, attributes: { bytes, shape }, aten }) =>
    aten('padezoo::pixels', bytes, shape, table!),
  Bytes: ({ attributes: { bytes, shape }, aten }) => aten('view', aten('_to_copy', bytes), shape),
};
