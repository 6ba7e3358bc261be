/** The Padé activation and its gradient out of tfjs's own operators, for engines that have no kernel for it. */
import * as tf from '@tensorflow/tfjs-core';
import { uniformNoise } from '../activations/noise.js';
import { firstDegree, isFolded } from '../activations/rational.js';
import type { PadeAttributes, PadeInputs } from './pade.js';

/** One coefficient, in a shape that broadcasts to x's: one number, one a channel, or one an element. */
type Coefficient = tf.Tensor;

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
  readonly a: readonly Coefficient[];
  readonly b: readonly Coefficient[];
  /** What the noise multiplied the coefficients with, numerator first; empty without noise. */
  readonly factors: readonly tf.Tensor[];
  readonly m: number;
  readonly n: number;
}

function partsOf(inputs: PadeInputs, { form, q, noise }: PadeAttributes): Parts {
  const { x, numerator, denominator } = inputs;
  const from = firstDegree(form);
  const m = numerator.shape.at(-1)! - 1;
  const n = denominator.shape.at(-1)! - 1 + from;
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
  const factors = noise > 0 ? noiseFactors(inputs, noise) : [];
  const noisy = (coefficients: Coefficient[], first: number) =>
    factors.length === 0 ? coefficients : coefficients.map((c, i) => tf.mul(c, factors[first + i]!));
  const a = noisy(coefficientsOf(numerator, x), 0);
  const b = noisy(coefficientsOf(absolutes ? tf.abs(denominator) : denominator, x), m + 1);
  const p = polynomial(a, 0, i => power(i, m), side);
  const s =
    b.length === 0 ? tf.zerosLike(u) : polynomial(b, from, k => power(k, n), absolutes ? undefined : side);
  const bound = tf.mul(power(0, n), form === 'unsafe' ? 1 : q);
  const scaledQ = tf.add(bound, isFolded(form) ? tf.abs(s) : s);
  const sign = isFolded(form) ? signOf(s) : tf.onesLike(s);
  const y = tf.mul(tf.div(p, scaledQ), tf.pow(far, m - n));
  return { side, far, power, slopePower, q: scaledQ, y, sign, a, b, factors, m, n };
}

/** The coefficients one by one; with groups each is a vector over the channels. */
function coefficientsOf(coefficients: tf.Tensor, x: tf.Tensor): Coefficient[] {
  const length = coefficients.shape.at(-1)!;
  if (coefficients.rank === 1) {
    // A scalar x would become a vector.
    return Array.from({ length }, (_, i) => tf.reshape(tf.slice(coefficients, i, 1), []));
  }
  const channels = x.shape.at(-1)!;
  const byChannel = tf.gather(coefficients, groupsOf(channels, coefficients.shape[0]!));
  return Array.from({ length }, (_, i) => tf.reshape(tf.slice(byChannel, [0, i], [-1, 1]), [channels]));
}

/** The group of every channel. */
function groupsOf(channels: number, groups: number): tf.Tensor1D {
  return tf.tensor1d(
    Array.from({ length: channels }, (_, c) => Math.floor((c * groups) / channels)),
    'int32',
  );
}

/** Sums an element-wise gradient over everything that shares a coefficient: `[]` or `[groups]`. */
function summed(gradient: tf.Tensor, coefficients: tf.Tensor): tf.Tensor {
  if (coefficients.rank === 1) return tf.sum(gradient);
  const channels = gradient.shape.at(-1)!;
  const byChannel = tf.sum(tf.reshape(gradient, [-1, channels]), 0, true);
  const membership = tf.oneHot(groupsOf(channels, coefficients.shape[0]!), coefficients.shape[0]!);
  return tf.reshape(tf.matMul(byChannel as tf.Tensor2D, tf.cast(membership, 'float32') as tf.Tensor2D), [-1]);
}

function noiseFactors({ x, numerator, denominator, key }: PadeInputs, amplitude: number): tf.Tensor[] {
  const [first, second] = key!.dataSync() as Int32Array;
  const count = numerator.shape.at(-1)! + denominator.shape.at(-1)!;
  return Array.from({ length: count }, (_, draw) =>
    tf.add(1, tf.mul(amplitude, tf.tensor(uniformNoise([first!, second!], draw, x.size), x.shape))),
  );
}

/** -1, 0 or 1; tfjs's wasm `sign` calls numbers below 1e-7 zero. */
function signOf(v: tf.Tensor): tf.Tensor {
  return tf.sub(tf.cast(tf.greater(v, 0), 'float32'), tf.cast(tf.less(v, 0), 'float32'));
}

/** Σ cᵢ·sideⁱ·uⁱ over coefficients that start at degree `from`. */
function polynomial(
  coefficients: readonly Coefficient[],
  from: number,
  power: (i: number) => tf.Tensor,
  side: tf.Tensor | undefined,
): tf.Tensor {
  const terms = coefficients.map((coefficient, index) => {
    const i = from + index;
    const term = tf.mul(coefficient, power(i));
    return side && i % 2 === 1 ? tf.mul(term, side) : term;
  });
  return tf.addN(terms);
}

/** d/du of `polynomial`, for powers that are `slopePower`s. */
function derivative(
  coefficients: readonly Coefficient[],
  from: number,
  slopePower: (i: number) => tf.Tensor,
  side: tf.Tensor | undefined,
): tf.Tensor {
  const scaled = coefficients.map((coefficient, index) => tf.mul(coefficient, from + index));
  return polynomial(scaled, from, slopePower, side);
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
    const { side, far, power, slopePower, q, y, sign, a, b, factors, m, n } = partsOf(inputs, attributes);
    const from = firstDegree(attributes.form);
    const absolutes = attributes.form === 'sum-of-absolutes';
    const slopeP = derivative(a, 0, i => slopePower(i, m), side);
    const slopeS =
      b.length === 0
        ? tf.zerosLike(x)
        : derivative(b, from, k => slopePower(k, n), absolutes ? undefined : side);
    const kink = absolutes ? tf.abs(signOf(x)) : sign; // d|x|/dx is 0 at 0
    const byP = tf.mul(tf.div(slopeP, q), tf.pow(far, m - n));
    const byS = tf.mul(y, tf.div(tf.mul(kink, slopeS), q));
    const slope = tf.mul(side, tf.div(tf.sub(byP, byS), far));
    const ratio = (i: number, signed: boolean) => {
      const value = tf.div(power(i, n), q);
      return signed && i % 2 === 1 ? tf.mul(value, side) : value;
    };
    const noisy = (gradient: tf.Tensor, draw: number) =>
      factors.length === 0 ? gradient : tf.mul(gradient, factors[draw]!);
    const byA = a.map((_, i) => summed(noisy(tf.mul(dy, ratio(i, true)), i), numerator));
    const minus = tf.neg(tf.mul(dy, tf.mul(y, sign)));
    const byB = b.map((_, index) =>
      summed(noisy(tf.mul(minus, ratio(from + index, !absolutes)), a.length + index), denominator),
    );
    const db = byB.length === 0 ? tf.zerosLike(denominator) : tf.stack(byB, -1);
    return [tf.mul(dy, slope), tf.stack(byA, -1), absolutes ? tf.mul(db, signOf(denominator)) : db];
  }) as [tf.Tensor, tf.Tensor, tf.Tensor];
}
