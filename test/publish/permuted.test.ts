/** Moving axes: against tfjs's own transpose, on every shape with sides across the border of a tile. */
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import fc from 'fast-check';
import { permuted } from '../../src/publish/graph/permuted.js';
import '@tensorflow/tfjs-backend-cpu';

const shapes = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 15, max: 34 })), {
    minLength: 1,
    maxLength: 4,
  })
  .filter(shape => shape.reduce((size, n) => size * n, 1) < 40_000);
const cases = shapes.chain(shape =>
  fc.tuple(fc.constant(shape), fc.shuffledSubarray([...shape.keys()], { minLength: shape.length })),
);

test.serial('axes in any order are those of a transpose', async t => {
  await tf.setBackend('cpu');
  t.notThrows(() =>
    fc.assert(
      fc.property(cases, ([shape, axes]) => {
        const values = Float32Array.from({ length: shape.reduce((size, n) => size * n, 1) }, (_, i) => i);
        const ours = permuted({ shape, values }, axes);
        const theirs = tf.tidy(() => tf.transpose(tf.tensor(values, shape), axes).dataSync());
        const to = axes.map(axis => shape[axis]);
        return ours.shape.join() === to.join() && ours.values.every((value, i) => value === theirs[i]);
      }),
      { numRuns: 300 },
    ),
  );
});
