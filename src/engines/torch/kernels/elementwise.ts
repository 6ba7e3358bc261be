/** Kernels that work element by element, with NumPy's broadcasting. */
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import type { Call, Kernel, Kernels } from '../kernel.js';

const unary =
  (operator: string): Kernel =>
  ({ inputs: { x }, aten }) =>
    aten(operator, x!);

/** For operators that libtorch has for real numbers only. */
const realUnary =
  (operator: string): Kernel =>
  ({ inputs: { x }, aten }) =>
    aten(operator, real(aten, x!));

function real(aten: Aten, x: TorchTensor): TorchTensor {
  return x.dtype === 'float32' ? x : aten('to.dtype', x, scalarType('float32'));
}

const binary =
  (operator: string): Kernel =>
  ({ inputs: { a, b }, aten }) =>
    aten(operator, a!, b!);

/** sum of a list */
function addAll({ list, aten }: Call): TorchTensor {
  return list.slice(1).reduce((sum, x) => aten('add.Tensor', sum, x), list[0]!);
}

function cast({ inputs: { x }, attributes: { dtype }, aten }: Call): TorchTensor {
  const numbers = x!.dtype === 'complex64' && dtype !== 'complex64' ? aten('real', x!) : x!;
  if (dtype === 'bool') return aten('ne.Scalar', numbers, 0);
  return aten('to.dtype', numbers, scalarType(dtype));
}

/** tfjs: where a NaN meets a number in maximum/minimum, the NaN wins; so it does in libtorch. */
export const elementwiseKernels: Kernels = {
  Abs: unary('abs'),
  Acos: unary('acos'),
  Acosh: unary('acosh'),
  Asin: unary('asin'),
  Asinh: unary('asinh'),
  Atan: unary('atan'),
  Atanh: unary('atanh'),
  Ceil: unary('ceil'),
  Cos: unary('cos'),
  Cosh: unary('cosh'),
  Erf: unary('erf'),
  Exp: unary('exp'),
  Expm1: unary('expm1'),
  Floor: unary('floor'),
  IsFinite: unary('isfinite'),
  IsInf: unary('isinf'),
  IsNan: unary('isnan'),
  Log: unary('log'),
  Log1p: unary('log1p'),
  LogicalNot: unary('logical_not'),
  Neg: unary('neg'),
  Reciprocal: unary('reciprocal'),
  Relu: unary('relu'),
  Round: unary('round'), // half to even, as tfjs
  Rsqrt: unary('rsqrt'),
  Sigmoid: unary('sigmoid'),
  Sign: unary('sign'),
  Sin: unary('sin'),
  Sinh: unary('sinh'),
  Softplus: realUnary('softplus'),
  Sqrt: unary('sqrt'),
  Square: unary('square'),
  Tan: unary('tan'),
  Tanh: unary('tanh'),
  Elu: ({ inputs: { x }, aten }) => aten('padezoo::exponential_unit', real(aten, x!), 1, 1),
  Selu: realUnary('selu'),
  Relu6: ({ inputs: { x }, aten }) => aten('clamp', x!, 0, 6),
  LeakyRelu: ({ inputs: { x }, attributes: { alpha }, aten }) => aten('leaky_relu', real(aten, x!), alpha),
  Prelu: ({ inputs: { x, alpha }, aten }) =>
    aten('where.self', aten('ge.Scalar', x!, 0), x!, aten('mul.Tensor', x!, alpha!)),
  EluGrad: ({ inputs: { dy, y }, aten }) => aten('elu_backward', dy!, 1, 1, 1, true, y!),
  Step: ({ inputs: { x }, attributes: { alpha }, aten }) => {
    // tfjs's gradient of ReLU is a step: in operators that libtorch has vectorised, forty times as fast as `where`.
    // The second operand is at most 0, and NaN where x is.
    if (!alpha) return aten('maximum', aten('clamp', aten('sign', x!), 0), aten('clamp_max', x!, 0));
    const step = aten('where.ScalarSelf', aten('gt.Scalar', x!, 0), 1, aten('full_like', x!, alpha));
    return aten('where.self', aten('isnan', x!), x!, step);
  },
  ClipByValue: ({ inputs: { x }, attributes: { clipValueMin, clipValueMax }, aten }) =>
    aten('clamp', x!, clipValueMin, clipValueMax),
  Add: binary('add.Tensor'),
  AddN: addAll,
  Sub: binary('sub.Tensor'),
  Multiply: binary('mul.Tensor'),
  RealDiv: ({ inputs: { a, b }, aten }) => aten('div.Tensor', a!, b!),
  FloorDiv: ({ inputs: { a, b }, aten }) => aten('div.Tensor_mode', a!, b!, 'floor'),
  Mod: binary('remainder.Tensor'),
  Pow: binary('pow.Tensor_Tensor'),
  Maximum: binary('maximum'),
  Minimum: binary('minimum'),
  Atan2: binary('atan2'),
  SquaredDifference: ({ inputs: { a, b }, aten }) => aten('square', aten('sub.Tensor', a!, b!)),
  Equal: binary('eq.Tensor'),
  NotEqual: binary('ne.Tensor'),
  Greater: binary('gt.Tensor'),
  GreaterEqual: binary('ge.Tensor'),
  Less: binary('lt.Tensor'),
  LessEqual: binary('le.Tensor'),
  BitwiseAnd: binary('bitwise_and.Tensor'),
  LogicalAnd: binary('logical_and'),
  LogicalOr: binary('logical_or'),
  Select: ({ inputs: { condition, t, e }, aten }) => {
    const mask = aten('to.dtype', condition!, scalarType('bool'));
    const missing = t!.shape.length - condition!.shape.length; // a vector of conditions chooses whole rows
    const rows =
      missing > 0 ? [...condition!.shape, ...new Array<number>(missing).fill(1)] : condition!.shape;
    return aten('where.self', aten('reshape', mask, rows), t!, e!);
  },
  Cast: cast,
  ZerosLike: unary('zeros_like'),
  OnesLike: unary('ones_like'),
};
