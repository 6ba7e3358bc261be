/** What `pade` refuses, and how it says so. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import { OptionsError, pade, type RationalForm, ShapeError } from '../../src/index.js';

const REFUSED: [string, () => unknown, new (message: string) => Error, RegExp][] = [
  [
    'a matrix of numerators alone',
    () => pade([1], [[1, 2]], [1]),
    ShapeError,
    /denominator must .*groups.*got \[1\]/,
  ],
  ['three axes of numerators', () => pade([1], [[[1, 2]]], [1]), ShapeError, /numerator must .*\[1, 1, 2\]/],
  [
    'more groups than channels',
    () => pade([[1, 2]], [[1], [1], [1]], [[1], [1], [1]]),
    ShapeError,
    /as many groups, at most one a channel, got 3 and 3 for 2 channels/,
  ],
  [
    'noise without an int32 key',
    () => pade([1], [1], [1], { noise: { amplitude: 0.1, key: tf.tensor1d([1, 2]) } }),
    ShapeError,
    /key must be int32 \[2\], got float32 \[2\]/,
  ],
  ['a scalar denominator', () => pade([1], [1, 2], 1), ShapeError, /denominator must .*\[\]/],
  ['no numerator', () => pade([1], [], [1]), ShapeError, /numerator must .*\[0\]/],
  ['degree 11 above', () => pade([1], new Array(12).fill(1), [1]), ShapeError, /\[1\.\.11\].*\[12\]/],
  ['degree 11 below', () => pade([1], [1], new Array(11).fill(1)), ShapeError, /\[0\.\.10\].*\[11\]/],
  ['q = 0', () => pade([1], [1], [1], { q: 0 }), OptionsError, /q must be in \(0, 1\], got 0/],
  ['q = 1.5', () => pade([1], [1], [1], { q: 1.5 }), OptionsError, /got 1\.5/],
  ['q = NaN', () => pade([1], [1], [1], { q: Number.NaN }), OptionsError, /got NaN/],
  [
    'an unknown form',
    () => pade([1], [1], [1], { form: 'safe' as RationalForm }),
    OptionsError,
    /absolute-sum, absolute-polynomial, sum-of-absolutes, unsafe, got safe/,
  ],
];

for (const [what, call, instanceOf, message] of REFUSED) {
  test.serial(`pade refuses ${what} and says what it wants`, t => {
    const before = tf.memory().numTensors;
    t.throws(() => tf.tidy(() => void call()), { instanceOf, message });
    t.is(tf.memory().numTensors, before);
  });
}
