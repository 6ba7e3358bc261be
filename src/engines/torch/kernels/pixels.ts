/** Images of bytes as numbers, whose bytes come as a bool tensor: tfjs has no other of a byte; op and fallback: src/ops/pixels.ts. */
import { scalarType } from '../aten.js';
import type { Kernels } from '../kernel.js';

export const pixelKernels: Kernels = {
  NormalisedPixels: ({ inputs: { bytes, table }, aten }) => aten('padezoo::pixels', bytes!, table!),
  IntegerPixels: ({ inputs: { bytes }, aten }) =>
    aten('to.dtype', aten('view.dtype', bytes!, scalarType('uint8')), scalarType('int32')),
};
