/** The Padé activation and its gradient out of tfjs's own operators, for engines that have no kernel for it. */
import * as tf from '@tensorflow/tfjs-core';
import type { PadeAttributes, PadeInputs } from './pade.js';

/**
 * What forward and backward share. Everything is in u = |x|; beyond u = 1 P is divided by u^m and Q by u^n, so that no
 * power overflows or vanishes.
 */
interface Parts {
  /** The sign of x, 1 at 0. */
  readonly side: tf.Tensor;
  /** max(1, u) */
  readonly far: tf.Tensor;
  /** uⁱ, over u^`over` where u > 1 */
  power(i: number, over: number): tf.Tensor;
  /** The power of u in the derivative of uⁱ, i·uⁱ⁻¹; where u > 1 it is still to be divided by u. */
  slopePower(i: number, over: number): tf.Tensor;
  /** Over u^n where u > 1. */
  readonly q: tf.Tensor;
  readonly y: tf.Tensor;
  /** d|S|/dS, as the form has it */
  readonly sign: tf.Tensor;
  readonly b: tf.Tensor;
}

function partsOf({ x, numerator, denominator }: PadeInputs, { form, q }: PadeAttributes): Parts {
  const m = numerator.size - 1;
  const n = denominator.size;
  const u = tf.abs(x);
  const side = tf.where(tf.less(x, 0), tf.fill(x.shape, -1), tf.onesLike(x)) as tf.Tensor;
  const isFar = tf.greater(u, 1);
  const near = tf.minimum(u, 1);
  const far = tf.maximum(u, 1);
  const either = (whereFar: tf.Tensor, whereNear: tf.Tensor) => tf.where(isFar, whereFar, whereNear);
  const power = (i: number, over: number) => either(tf.pow(far, i - over), tf.pow(near, i));
  const slopePower = (i: number, over: number) =>
    either(tf.pow(far, i - over), i === 0 ? tf.zerosLike(u) : tf.pow(near, i - 1));
  const absolutes = form === 'sum-of-absolutes';
  const b = absolutes ? tf.abs(denominator) : denominator;
  const p = polynomial(numerator, 0, i => power(i, m), side);
  const s = n === 0 ? tf.zerosLike(u) : polynomial(b, 1, k => power(k, n), absolutes ? undefined : side);
  const bound = tf.mul(power(0, n), form === 'unsafe' ? 1 : q);
  const scaledQ = tf.add(bound, form === 'absolute-sum' ? tf.abs(s) : s);
  const sign = form === 'absolute-sum' ? signOf(s) : tf.onesLike(s);
  const y = tf.mul(tf.div(p, scaledQ), tf.pow(far, m - n));
  return { side, far, power, slopePower, q: scaledQ, y, sign, b };
}

/** -1, 0 or 1; tfjs's wasm `sign` calls numbers below 1e-7 zero. */
function signOf(v: tf.Tensor): tf.Tensor {
  return tf.sub(tf.cast(tf.greater(v, 0), 'float32'), tf.cast(tf.less(v, 0), 'float32'));
}

/** Σ cᵢ·sideⁱ·uⁱ over coefficients that start at degree `from`. */
function polynomial(
  coefficients: tf.Tensor,
  from: number,
  power: (i: number) => tf.Tensor,
  side: tf.Tensor | undefined,
): tf.Tensor {
  const terms = Array.from({ length: coefficients.size }, (_, index) => {
    const i = from + index;
    const u = power(i);
    const term = tf.reshape(tf.mul(tf.slice(coefficients, index, 1), u), u.shape); // a scalar u became a vector
    return side && i % 2 === 1 ? tf.mul(term, side) : term;
  });
  return tf.addN(terms);
}

/** d/du of `polynomial`, for powers that are `slopePower`s. */
function derivative(
  coefficients: tf.Tensor,
  from: number,
  slopePower: (i: number) => tf.Tensor,
  side: tf.Tensor | undefined,
): tf.Tensor {
  const degrees = tf.range(from, from + coefficients.size);
  return polynomial(tf.mul(coefficients, degrees), from, slopePower, side);
}

/** P(x)/Q(x); see `pade`. */
export function padeComposed(inputs: PadeInputs, attributes: PadeAttributes): tf.Tensor {
  if (inputs.x.size === 0) return inputs.x.clone();
  return tf.tidy(() => partsOf(inputs, attributes).y);
}

/** Gradients of `padeComposed`, with (P' - y·Q')/Q and never P/Q², which overflows long before P/Q does. */
export function padeGradientComposed(
  dy: tf.Tensor,
  inputs: PadeInputs,
  attributes: PadeAttributes,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const { x, numerator, denominator } = inputs;
  if (x.size === 0) return [tf.zerosLike(x), tf.zerosLike(numerator), tf.zerosLike(denominator)];
  return tf.tidy(() => {
    const { side, far, power, slopePower, q, y, sign, b } = partsOf(inputs, attributes);
    const m = numerator.size - 1;
    const n = b.size;
    const absolutes = attributes.form === 'sum-of-absolutes';
    const slopeP = derivative(numerator, 0, i => slopePower(i, m), side);
    const slopeS =
      n === 0 ? tf.zerosLike(x) : derivative(b, 1, k => slopePower(k, n), absolutes ? undefined : side);
    const kink = absolutes ? tf.abs(signOf(x)) : sign; // d|x|/dx is 0 at 0
    const byP = tf.mul(tf.div(slopeP, q), tf.pow(far, m - n));
    const byS = tf.mul(y, tf.div(tf.mul(kink, slopeS), q));
    const slope = tf.mul(side, tf.div(tf.sub(byP, byS), far));
    const ratio = (i: number, signed: boolean) => {
      const value = tf.div(power(i, n), q);
      return signed && i % 2 === 1 ? tf.mul(value, side) : value;
    };
    const a = Array.from({ length: m + 1 }, (_, i) => tf.sum(tf.mul(dy, ratio(i, true))));
    const minus = tf.neg(tf.mul(dy, tf.mul(y, sign)));
    const d = Array.from({ length: n }, (_, index) => tf.sum(tf.mul(minus, ratio(index + 1, !absolutes))));
    const byB = d.length === 0 ? tf.zerosLike(denominator) : tf.stack(d);
    return [tf.mul(dy, slope), tf.stack(a), absolutes ? tf.mul(byB, signOf(denominator)) : byB];
  }) as [tf.Tensor, tf.Tensor, tf.Tensor];
}
