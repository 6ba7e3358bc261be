/** The activations' kernels: libtorch's fused ones, and native/operators/activations.cpp. Gradients: src/ops of the same names. */
import type { Kernels } from '../kernel.js';
import { likeIn } from '../precision.js';

export const activationKernels: Kernels = {
  /** As PyTorch has it, the gradient passes where the input was NaN; the output there is NaN already. */
  ReluGrad: ({ inputs: { dy, x }, aten }) => aten('threshold_backward', dy!, x!, 0),
  Relu6Grad: ({ inputs: { dy, x }, aten }) => aten('hardtanh_backward', dy!, x!, 0, 6),
  LeakyReluGrad: ({ inputs: { dy, x }, attributes: { alpha }, aten }) =>
    aten('leaky_relu_backward', dy!, x!, alpha, false),
  Hinges: ({ inputs: { x, slope, weights, thresholds }, attributes: { sides }, aten }) =>
    aten('padezoo::hinges', x!, slope!, weights!, thresholds!, sides),
  HingesGrad: ({ inputs: { dy, x, slope, weights, thresholds }, attributes: { sides }, aten }) =>
    aten.tuple('padezoo::hinges_backward', dy!, x!, slope!, weights!, thresholds!, sides),
  RandomSlopes: ({ inputs: { of, x, key }, attributes: { lower, upper }, aten }) =>
    aten('padezoo::random_slopes', likeIn(aten, of!, x!), x!, key!, lower, upper),
  Maxout: ({ inputs: { x }, attributes: { pieces }, aten }) => aten('padezoo::maxout', x!, pieces),
  MaxoutGrad: ({ inputs: { dy, x }, attributes: { pieces }, aten }) =>
    aten('padezoo::maxout_backward', dy!, x!, pieces),
  Swish: ({ inputs: { x }, attributes: { beta }, aten }) => aten('padezoo::swish', x!, beta),
  SwishGrad: ({ inputs: { dy, x }, attributes: { beta }, aten }) =>
    aten('padezoo::swish_backward', dy!, x!, beta),
  ExponentialUnit: ({ inputs: { x }, attributes: { alpha, rate }, aten }) =>
    aten('padezoo::exponential_unit', x!, alpha, rate),
  ExponentialUnitGrad: ({ inputs: { dy, x }, attributes: { alpha, rate }, aten }) =>
    aten('padezoo::exponential_unit_backward', dy!, x!, alpha, rate),
};
