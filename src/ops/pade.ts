/** The Padé activation as an operation on tensors: a kernel where the engine has one, composed of tfjs operators elsewhere. */
import * as tf from '@tensorflow/tfjs-core';
import { firstDegree, RATIONAL_FORMS, type RationalForm } from '../activations/rational.js';
import { OptionsError, ShapeError } from '../errors.js';
import { padeComposed, padeGradientComposed } from './padeComposed.js';

/** Highest degree of numerator and denominator. */
export const MAX_DEGREE = 10;

export interface PadeOptions {
  /** Default `'absolute-sum'`, the paper's Eq. 2. */
  readonly form?: RationalForm;
  /** Lower bound of Q in the safe forms, in (0, 1]; default 1. */
  readonly q?: number;
  /** Every coefficient is multiplied with a draw from U(1 - amplitude, 1 + amplitude), anew for every element. */
  readonly noise?: {
    /** In [0, 1]; 0.01 is 1 %. */
    readonly amplitude: number;
    /** int32 `[2]`: the same key, the same draws. */
    readonly key: tf.Tensor;
  };
}

/** What the kernels take: tensors by name, and these attributes. */
export interface PadeAttributes {
  readonly form: RationalForm;
  readonly q: number;
  /** 0 without noise. */
  readonly noise: number;
}
/** `key` is there when `noise` is above 0. */
export type PadeInputs = {
  x: tf.Tensor;
  numerator: tf.Tensor;
  denominator: tf.Tensor;
  key?: tf.Tensor | undefined;
};

/**
 * P(x)/Q(x) on every element; differentiable by x and by the coefficients (Molina et al., ICLR 2020, Eq. 2).
 *
 * P = Σ aᵢxⁱ, i = 0..m. `form` is `'absolute-sum'`: Q = q + |Σ bₖxᵏ|; `'absolute-polynomial'`: the same with a constant
 * b₀; `'sum-of-absolutes'`: Q = q + Σ|bₖ||x|ᵏ; `'unsafe'`: Q = 1 + Σ bₖxᵏ (infinite or NaN at a pole). The derivative of
 * |v| at v = 0 is 0. No power overflows: where one could, polynomials in 1/x are evaluated instead.
 *
 * @param x any shape, float32; borrowed, as are the coefficients
 * @param numerator `[m + 1]`, lowest degree first, m <= 10; or `[groups, m + 1]`: channel c of the C along x's last axis
 *   has group ⌊c·groups/C⌋
 * @param denominator `[n]`, from degree 1 (`[n + 1]` from degree 0 for `'absolute-polynomial'`), n <= 10; or
 *   `[groups, n]`
 * @throws ShapeError when a coefficient tensor has a shape that does not fit
 * @throws OptionsError when `form` is unknown, `q` is outside (0, 1] or the noise outside [0, 1]
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
    checkCoefficients(inputs, attributes.form);
    if (attributes.noise > 0) inputs.key = checkedKey(options.noise!.key);
    const kernel = inputs.key ? 'NoisyPade' : 'Pade';
    return hasKernel(kernel)
      ? (tf.engine().runKernel(kernel, inputs as tf.NamedTensorMap, { ...attributes }) as tf.Tensor)
      : composedWithGradient(inputs, attributes);
  }) as T;
}

/** Gradients of `pade` for the upstream gradient `dy` (the shape of x): by x, numerator and denominator. */
export function padeGradient(
  dy: tf.Tensor,
  inputs: PadeInputs,
  attributes: PadeAttributes,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const { key, ...others } = inputs;
  const kernel = key ? 'NoisyPadeGrad' : 'PadeGrad';
  if (!hasKernel(kernel)) return padeGradientComposed(dy, inputs, attributes);
  return tf.engine().runKernel(kernel, { dy, ...others, ...(key && { key }) }, { ...attributes }) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
}

for (const [kernelName, inputsToSave] of [
  ['Pade', ['x', 'numerator', 'denominator']],
  ['NoisyPade', ['x', 'numerator', 'denominator', 'key']],
] as const) {
  tf.registerGradient({
    kernelName,
    inputsToSave: [...inputsToSave],
    gradFunc: (dy, saved, attributes) => {
      const [x, numerator, denominator, key] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor?];
      // At once, not in the getters: the tape runs each getter in a tidy of its own, which would dispose the other two.
      const [dx, da, db] = padeGradient(
        dy as tf.Tensor,
        { x, numerator, denominator, key },
        attributes as unknown as PadeAttributes,
      );
      return { x: () => dx, numerator: () => da, denominator: () => db };
    },
  });
}

/** The op on an engine without the kernel; its gradient is the same closed form, not the tape through the composition. */
function composedWithGradient(inputs: PadeInputs, attributes: PadeAttributes): tf.Tensor {
  const { key } = inputs;
  const operation = tf.customGrad((x, numerator, denominator, save) => {
    const given = { x, numerator, denominator } as PadeInputs;
    (save as tf.GradSaveFunc)([given.x, given.numerator, given.denominator, ...(key ? [key] : [])]);
    return {
      value: padeComposed({ ...given, key }, attributes),
      gradFunc: (dy, saved) => {
        const [savedX, a, b, savedKey] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor?];
        return padeGradientComposed(
          dy,
          { x: savedX, numerator: a, denominator: b, key: savedKey },
          attributes,
        );
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

function checkOptions({ form = 'absolute-sum', q = 1, noise }: PadeOptions): PadeAttributes {
  if (!RATIONAL_FORMS.includes(form)) {
    throw new OptionsError(`pade: form must be one of ${RATIONAL_FORMS.join(', ')}, got ${String(form)}`);
  }
  if (!(q > 0 && q <= 1)) throw new OptionsError(`pade: q must be in (0, 1], got ${q}`);
  const amplitude = noise?.amplitude ?? 0;
  if (!(amplitude >= 0 && amplitude <= 1)) {
    throw new OptionsError(`pade: the noise's amplitude must be in [0, 1], got ${amplitude}`);
  }
  return { form, q, noise: amplitude };
}

function checkedKey(key: tf.Tensor): tf.Tensor {
  if (key.dtype === 'int32' && key.shape.length === 1 && key.size === 2) return key;
  throw new ShapeError(`pade: the noise's key must be int32 [2], got ${key.dtype} [${key.shape.join(', ')}]`);
}

function checkCoefficients({ x, numerator, denominator }: PadeInputs, form: RationalForm): void {
  const rank = numerator.rank === 2 ? 2 : 1;
  const from = firstDegree(form);
  checkLength('numerator', numerator, rank, [1, MAX_DEGREE + 1]);
  checkLength('denominator', denominator, rank, [1 - from, MAX_DEGREE + 1 - from]);
  if (rank === 1) return;
  const [groups] = numerator.shape as [number];
  const channels = x.shape.at(-1) ?? 0;
  if (groups === denominator.shape[0] && groups >= 1 && groups <= channels) return;
  throw new ShapeError(
    `pade: numerator and denominator must have as many groups, at most one a channel, got ${groups} and ${denominator.shape[0]} for ${channels} channels`,
  );
}

function checkLength(
  name: string,
  { shape }: tf.Tensor,
  rank: number,
  [least, most]: readonly [number, number],
): void {
  const length = shape.at(-1) ?? -1;
  if (shape.length === rank && length >= least && length <= most) return;
  throw new ShapeError(
    `pade: ${name} must have shape [${rank === 2 ? 'groups, ' : ''}${least}..${most}], lowest degree first, got [${shape.join(', ')}]`,
  );
}
