/** The Padé activation and its gradient out of tfjs's own operators, for engines that have no kernel for it. */
import * as tf from '@tensorflow/tfjs-core';
import type { PadeAttributes, PadeInputs } from './pade.js';

/** What forward and backward share. Everything is in u = |x|; beyond u = 1 it is divided by u^d, so nothing overflows. */
interface Parts {
  /** The sign of x, 1 at 0. */
  readonly side: tf.Tensor;
  /** xⁱ (over u^d where u > 1), for i = -1..d; the power -1 is the derivative's and only used from degree 1 on. */
  power(i: number): tf.Tensor;
  readonly q: tf.Tensor;
  readonly y: tf.Tensor;
  /** d|S|/dS, as the form has it */
  readonly sign: tf.Tensor;
  readonly b: tf.Tensor;
}

function partsOf({ x, numerator, denominator }: PadeInputs, { form, q }: PadeAttributes): Parts {
  const m = numerator.size - 1;
  const n = denominator.size;
  const degree = Math.max(m, n, 1);
  const u = tf.abs(x);
  const side = tf.where(tf.less(x, 0), tf.fill(x.shape, -1), tf.onesLike(x)) as tf.Tensor;
  const far = tf.greater(u, 1);
  const near = tf.minimum(u, 1);
  const inverse = tf.reciprocal(tf.maximum(u, 1));
  const power = (i: number) =>
    tf.where(far, tf.pow(inverse, degree - i), i < 0 ? tf.zerosLike(u) : tf.pow(near, i)) as tf.Tensor;
  const b = form === 'sum-of-absolutes' ? tf.abs(denominator) : denominator;
  const signed = form !== 'sum-of-absolutes';
  const p = polynomial(numerator, 0, power, side);
  const s = n === 0 ? tf.zerosLike(u) : polynomial(b, 1, power, signed ? side : undefined);
  const sign = form === 'absolute-sum' ? tf.sign(s) : tf.onesLike(s);
  const bound = tf.mul(power(0), form === 'unsafe' ? 1 : q);
  const denominatorValue = tf.add(bound, tf.mul(sign, s));
  return { side, power, q: denominatorValue, y: tf.div(p, denominatorValue), sign, b };
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
    const term = tf.mul(tf.slice(coefficients, index, 1), power(i));
    return side && i % 2 === 1 ? tf.mul(term, side) : term;
  });
  const { shape } = power(0);
  return tf.addN(terms.map(term => tf.reshape(term, shape)));
}

/** d/du of `polynomial`. */
function derivative(
  coefficients: tf.Tensor,
  from: number,
  power: (i: number) => tf.Tensor,
  side: tf.Tensor | undefined,
): tf.Tensor {
  const degrees = tf.range(from, from + coefficients.size);
  const lowered = tf.mul(coefficients, degrees);
  return polynomial(lowered, from, i => (i === 0 ? tf.zerosLike(power(0)) : power(i - 1)), side);
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
    const { side, power, q, y, sign, b } = partsOf(inputs, attributes);
    const absolute = attributes.form === 'sum-of-absolutes';
    const slopeP = derivative(numerator, 0, power, side);
    const slopeS = b.size === 0 ? tf.zerosLike(slopeP) : derivative(b, 1, power, absolute ? undefined : side);
    const kink = absolute ? tf.abs(tf.sign(x)) : sign; // d|x|/dx is 0 at 0
    const slope = tf.mul(side, tf.div(tf.sub(slopeP, tf.mul(y, tf.mul(kink, slopeS))), q));
    const share = tf.div(dy, q);
    const odd = (i: number) => (i % 2 === 1 ? tf.mul(power(i), side) : power(i));
    const a = Array.from({ length: numerator.size }, (_, i) => tf.sum(tf.mul(share, odd(i))));
    const minus = tf.neg(tf.mul(share, tf.mul(y, sign)));
    const d = Array.from({ length: denominator.size }, (_, index) =>
      tf.sum(tf.mul(minus, absolute ? power(index + 1) : odd(index + 1))),
    );
    const byB = d.length === 0 ? tf.zerosLike(denominator) : tf.stack(d);
    return [tf.mul(dy, slope), tf.stack(a), absolute ? tf.mul(byB, tf.sign(denominator)) : byB];
  }) as [tf.Tensor, tf.Tensor, tf.Tensor];
}
