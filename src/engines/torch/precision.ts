/** In what precision the torch engine calculates convolutions and matrix products; their kernels ask here. */

export const PRECISIONS = ['fp32', 'bf16'] as const;

/** `'bf16'`: operands and activations in bfloat16; weights, statistics and losses stay float32. */
export type Precision = (typeof PRECISIONS)[number];

let chosen: Precision = 'fp32';

/** The precision that `engine.use('torch', { precision })` chose last in this thread; `'fp32'` until then. */
export function enginePrecision(): Precision {
  return chosen;
}

/** For `engine.use` alone: what tensors already hold does not change. */
export function setEnginePrecision(precision: Precision): void {
  chosen = precision;
}
