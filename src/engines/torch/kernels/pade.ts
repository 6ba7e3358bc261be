/** The Padé activation's kernels: one native call each (native/operators/pade.cpp). Gradient and fallback: src/ops/pade.ts. */
import type { Kernels } from '../kernel.js';

export const padeKernels: Kernels = {
  Pade: ({ inputs: { x, numerator, denominator }, attributes: { form, q }, aten }) =>
    aten('pade::forward', x!, numerator!, denominator!, form, q),
  PadeGrad: ({ inputs: { dy, x, numerator, denominator }, attributes: { form, q }, aten }) =>
    aten.tuple('pade::backward', dy!, x!, numerator!, denominator!, form, q),
};
