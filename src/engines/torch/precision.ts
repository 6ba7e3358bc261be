/**
 * In what precision the torch engine calculates: bfloat16 for convolutions, matrix products and what lies between them; and
 * which kernels work on the dtypes that tfjs does not have.
 */
import type { TorchDtype } from './addon.js';
import { type Aten, scalarType, type TorchTensor } from './aten.js';

export const PRECISIONS = ['fp32', 'tf32', 'bf16'] as const;

/** `'tf32'`, on CUDA: float32 whose products round their operands to 10 bits. `'bf16'`: operands and activations in bfloat16; weights, statistics and losses stay float32. */
export type Precision = (typeof PRECISIONS)[number];

let chosen: Precision = 'fp32';
/** Lets libtorch round the operands of float32 products, or not. */
let allowTf32: (allowed: boolean) => void = () => {};
/** Works that have to be calculated in float32 at the moment. */
let exact = 0;

/** The precision that `engine.use('torch', { precision })` chose last in this thread; `'fp32'` until then. */
export function chosenPrecision(): Precision {
  return chosen;
}

/** The precision that kernels calculate in now. */
export function enginePrecision(): Precision {
  return exact > 0 ? 'fp32' : chosen;
}

function tellOfTf32(): void {
  allowTf32(enginePrecision() === 'tf32');
}

/** For `engine.use` alone: what tensors already hold does not change. */
export function setEnginePrecision(precision: Precision, allow: typeof allowTf32): void {
  chosen = precision;
  allowTf32 = allow;
  tellOfTf32();
}

/**
 * Runs `work` in float32, whatever the precision that is chosen: a proof holds a network to what its files calculate. What else
 * the engine is given while `work` awaits something is calculated in float32 as well.
 */
export async function inFullPrecision<T>(work: () => Promise<T>): Promise<T> {
  exact++;
  tellOfTf32();
  try {
    return await work();
  } finally {
    exact--;
    tellOfTf32();
  }
}

/** A convolution's or a product's operand, as the precision has it. */
export function operand(aten: Aten, x: TorchTensor): TorchTensor {
  return enginePrecision() === 'bf16' && x.dtype === 'float32'
    ? aten('to.dtype', x, scalarType('bfloat16'))
    : x;
}

/** Dtypes that tfjs does not have, and those that it takes their tensors for. */
export const WIDE = { bfloat16: 'float32', uint8: 'int32' } as const;
type NarrowDtype = keyof typeof WIDE;

export function isNarrow(dtype: TorchDtype): dtype is NarrowDtype {
  return dtype in WIDE;
}

/** A tensor in a dtype that tfjs has, with the same values. */
export function widened(aten: Aten, x: TorchTensor): TorchTensor {
  return isNarrow(x.dtype) ? aten('to.dtype', x, scalarType(WIDE[x.dtype])) : x;
}

/** The kernels that work on tensors of these dtypes as they are; every other kernel sees them widened. */
const KEEPS: Readonly<Record<NarrowDtype, ReadonlySet<string>>> = {
  bfloat16: new Set([
    'Conv2D',
    'FusedConv2D',
    'Conv2DBackpropInput',
    'Conv2DBackpropFilter',
    'DepthwiseConv2dNative',
    'FusedDepthwiseConv2D',
    'DepthwiseConv2dNativeBackpropInput',
    'DepthwiseConv2dNativeBackpropFilter',
    'BatchMatMul',
    '_FusedMatMul',
    'MaxPool',
    'MaxPoolGrad',
    'AvgPool',
    'AvgPoolGrad',
    'Pade',
    'PadeGrad',
    'NoisyPade',
    'NoisyPadeGrad',
    'Relu',
    'ReluGrad',
    'Relu6',
    'Relu6Grad',
    'LeakyRelu',
    'LeakyReluGrad',
    'Swish',
    'SwishGrad',
    'ExponentialUnit',
    'ExponentialUnitGrad',
    'Hinges',
    'HingesGrad',
    'RandomSlopes',
    'Maxout',
    'MaxoutGrad',
    'Add',
    'AddN',
    'Sum',
    'Mean',
    'Identity',
    'Reshape',
    'Transpose',
    'Concat',
    'Slice',
    'PadV2',
  ]),
  /** Images as they were read. */
  uint8: new Set(['Cast', 'Identity', 'Reshape', 'Slice', 'Transpose']),
};

/** Whether a kernel takes the tensor as it is. */
function fits(kernel: string, { dtype }: TorchTensor): boolean {
  if (!isNarrow(dtype)) return true;
  return (dtype !== 'bfloat16' || enginePrecision() === 'bf16') && KEEPS[dtype].has(kernel);
}

/** A kernel's inputs in dtypes that it works on; an upstream gradient in that of the tensor whose gradient it is. */
export function fitted(
  aten: Aten,
  kernel: string,
  tensors: Readonly<Record<string, TorchTensor>>,
): Readonly<Record<string, TorchTensor>> {
  const given = Object.entries(tensors);
  if (!given.some(([, { dtype }]) => isNarrow(dtype))) return tensors;
  const inputs = Object.fromEntries(
    given.map(([name, x]) => [name, fits(kernel, x) ? x : widened(aten, x)]),
  ) as Record<string, TorchTensor>;
  const { dy } = inputs;
  const of = inputs.x ?? inputs.input;
  const isOfFloats = of?.dtype === 'bfloat16' || of?.dtype === 'float32'; // bytes have no gradient in their own dtype
  return dy && of && isOfFloats ? { ...inputs, dy: likeIn(aten, dy, of) } : inputs;
}

/** `dy` in x's dtype. */
export function likeIn(aten: Aten, dy: TorchTensor, x: TorchTensor): TorchTensor {
  return dy.dtype === x.dtype ? dy : aten('to.dtype', dy, scalarType(x.dtype));
}
