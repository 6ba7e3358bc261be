/** ELU, CELU and Swish against float64, where exponentials are small, vanish or overflow. */
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { isOnCpu } from '../../src/engines/torch/device.js';
import { exponentialUnit, swish } from '../../src/ops/smoothUnits.js';
import { within } from '../support/closeness.js';
import '../support/engine.js';

/** Every size that float32 has, both signs, and the whole range in which exp is between 0 and 1. */
const xs = Float32Array.from([
  ...Array.from({ length: 4001 }, (_, i) => (i % 2 === 0 ? -1 : 1) * 10 ** (-38 + i / 100)),
  ...Array.from({ length: 5001 }, (_, i) => -i / 50),
]);
const ones = (values: Float32Array) => tf.ones([values.length]);
const valuesOf = (f: (x: tf.Tensor) => tf.Tensor, values: Float32Array) =>
  tf.tidy(() => f(tf.tensor1d(values)).dataSync() as Float32Array);
const gradientsOf = (f: (x: tf.Tensor) => tf.Tensor, values: Float32Array) =>
  tf.tidy(() => tf.grad(f)(tf.tensor1d(values), ones(values)).dataSync() as Float32Array);

for (const alpha of [1, 0.5, 3]) {
  const rate = 1 / alpha;
  const unit = (x: tf.Tensor) => exponentialUnit(x, { alpha, rate });

  test.serial(`CELU with α = ${alpha} is right to 1e-6 of its value, everywhere`, t => {
    const expected = Array.from(xs, x => (x > 0 ? x : alpha * Math.expm1(x * rate)));
    within(t, 'y', valuesOf(unit, xs), expected, { tolerance: 1e-6, scale: expected.map(Math.abs) });
  });

  test.serial(`so is its derivative, to 1e-5 (α = ${alpha})`, t => {
    const slopes = Array.from(xs, x => (x > 0 ? 1 : alpha * rate * Math.exp(x * rate)));
    // exp(-87) = 1.6e-38 and less is 0.
    const scale = slopes.map(slope => Math.max(slope, 1e-32));
    within(t, 'dx', gradientsOf(unit, xs), slopes, { tolerance: 1e-5, scale });
  });
}

test.serial('CELU at infinity is its limit, and NaN stays', t => {
  const special = Float32Array.of(-Infinity, Infinity, Number.NaN, 0);
  const unit = (x: tf.Tensor) => exponentialUnit(x, { alpha: 0.5, rate: 2 });
  t.deepEqual([...valuesOf(unit, special)], [-0.5, Infinity, Number.NaN, 0]);
  const atNaN = isOnCpu() ? Number.NaN : 1; // ATen's gradient, which devices without our kernel have, passes
  t.deepEqual([...gradientsOf(unit, special)], [0, 1, atNaN, 1]);
});

for (const beta of [1, 2.5]) {
  const sigmoid = (v: number) => (v < 0 ? Math.exp(v) / (1 + Math.exp(v)) : 1 / (1 + Math.exp(-v)));

  test.serial(`Swish with β = ${beta} and its derivative are right to 1e-5, also where exp overflows`, t => {
    const unit = (x: tf.Tensor) => swish(x, beta);
    const values = Float32Array.of(...xs.filter(x => Math.abs(x) < 80 / beta), 1e30, -1e30, 3e38, -3e38, 0);
    const expected = Array.from(values, x => x * sigmoid(beta * x));
    within(t, 'y', valuesOf(unit, values), expected, { tolerance: 1e-5, scale: expected.map(Math.abs) });
    const slopes = Array.from(values, x => {
      const s = sigmoid(beta * x);
      return s * (1 + (s === 0 || s === 1 ? 0 : beta * x * (1 - s)));
    });
    within(t, 'dx', gradientsOf(unit, values), slopes, { tolerance: 1e-5, scale: 1 });
  });
}
