/** The Padé activation as an operation on tensors: a kernel where the engine has one, composed of tfjs operators elsewhere. */
import * as tf from '@tensorflow/tfjs-core';
import { RATIONAL_FORMS, type RationalForm } from '../activations/rational.js';
import { OptionsError, ShapeError } from '../errors.js';
import { padeComposed, padeGradientComposed } from './padeComposed.js';

/** Highest degree of numerator and denominator. */
export const MAX_DEGREE = 10;

export interface PadeOptions {
  /** Default `'absolute-sum'`, the paper's Eq. 2. */
  readonly form?: RationalForm;
  /** Lower bound of Q in the safe forms, in (0, 1]; default 1. */
  readonly q?: number;
}

/** What the kernels take: tensors by name, and these attributes. */
export type PadeAttributes = Required<PadeOptions>;
export type PadeInputs = { x: tf.Tensor; numerator: tf.Tensor; denominator: tf.Tensor };

/**
 * P(x)/Q(x) on every element; differentiable by x and by both coefficient vectors (Molina et al., ICLR 2020, Eq. 2).
 *
 * P = Σ aᵢxⁱ, i = 0..m. `form` is `'absolute-sum'`: Q = q + |Σ bₖxᵏ|; `'sum-of-absolutes'`: Q = q + Σ|bₖ||x|ᵏ;
 * `'unsafe'`: Q = 1 + Σ bₖxᵏ (infinite or NaN at a pole). The derivative of |v| at v = 0 is 0.
 * No power overflows: where one could, polynomials in 1/x are evaluated instead.
 *
 * @param x any shape, float32; borrowed, as are the coefficients
 * @param numerator `[m + 1]`, lowest degree first, m <= 10
 * @param denominator `[n]`, from degree 1, n <= 10
 * @throws ShapeError when a coefficient vector is not rank 1 or too long
 * @throws OptionsError when `form` is unknown or `q` is outside (0, 1]
 */
export function pade<T extends tf.Tensor>(
  x: T | tf.TensorLike,
  numerator: tf.Tensor | tf.TensorLike,
  denominator: tf.Tensor | tf.TensorLike,
  options: PadeOptions = {},
): T {
  const attributes = checkOptions(options);
  return tf.tidy(() => {
    const inputs: PadeInputs = {
      x: asFloat(x),
      numerator: asFloat(numerator),
      denominator: asFloat(denominator),
    };
    checkCoefficients('numerator', inputs.numerator, 1, MAX_DEGREE + 1);
    checkCoefficients('denominator', inputs.denominator, 0, MAX_DEGREE);
    return hasKernel('Pade')
      ? (tf.engine().runKernel('Pade', inputs, { ...attributes }) as tf.Tensor)
      : composedWithGradient(inputs, attributes);
  }) as T;
}

/** Gradients of `pade` for the upstream gradient `dy` (the shape of x): by x, numerator and denominator. */
export function padeGradient(
  dy: tf.Tensor,
  { x, numerator, denominator }: PadeInputs,
  attributes: PadeAttributes,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  if (!hasKernel('PadeGrad')) return padeGradientComposed(dy, { x, numerator, denominator }, attributes);
  return tf.engine().runKernel('PadeGrad', { dy, x, numerator, denominator }, { ...attributes }) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
}

tf.registerGradient({
  kernelName: 'Pade',
  inputsToSave: ['x', 'numerator', 'denominator'],
  gradFunc: (dy, saved, attributes) => {
    const [x, numerator, denominator] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
    // At once, not in the getters: the tape runs each getter in a tidy of its own, which would dispose the other two.
    const [dx, da, db] = padeGradient(
      dy as tf.Tensor,
      { x, numerator, denominator },
      attributes as unknown as PadeAttributes,
    );
    return { x: () => dx, numerator: () => da, denominator: () => db };
  },
});

/** The op on an engine without the kernel; its gradient is the same closed form, not the tape through the composition. */
function composedWithGradient(inputs: PadeInputs, attributes: PadeAttributes): tf.Tensor {
  const operation = tf.customGrad((x, numerator, denominator, save) => {
    const given = { x, numerator, denominator } as PadeInputs;
    (save as tf.GradSaveFunc)([given.x, given.numerator, given.denominator]);
    return {
      value: padeComposed(given, attributes),
      gradFunc: (dy, saved) => {
        const [savedX, a, b] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        return padeGradientComposed(dy, { x: savedX, numerator: a, denominator: b }, attributes);
      },
    };
  });
  return operation(inputs.x, inputs.numerator, inputs.denominator);
}

function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

function asFloat(value: tf.Tensor | tf.TensorLike): tf.Tensor {
  const tensor = value instanceof tf.Tensor ? value : tf.tensor(value);
  return tensor.dtype === 'float32' ? tensor : tf.cast(tensor, 'float32');
}

function checkOptions({ form = 'absolute-sum', q = 1 }: PadeOptions): PadeAttributes {
  if (!RATIONAL_FORMS.includes(form)) {
    throw new OptionsError(`pade: form must be one of ${RATIONAL_FORMS.join(', ')}, got ${String(form)}`);
  }
  if (!(q > 0 && q <= 1)) throw new OptionsError(`pade: q must be in (0, 1], got ${q}`);
  return { form, q };
}

function checkCoefficients(name: string, { shape }: tf.Tensor, least: number, most: number): void {
  const [length = -1] = shape;
  if (shape.length === 1 && length >= least && length <= most) return;
  throw new ShapeError(
    `pade: ${name} must have shape [${least}..${most}], lowest degree first, got [${shape.join(', ')}]`,
  );
}
