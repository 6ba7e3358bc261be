import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import { integerTable, normalisingTable, pixels } from '../../src/ops/pixels.js';
import { torchTest } from '../support/engine.js';

const MEAN = [0.485, 0.456, 0.406, 0];
const STD = [0.229, 0.224, 0.225, 1];

for (const [engineName, on] of [
  ['torch', torchTest],
  ['cpu', test.serial],
] as const) {
  for (const shape of [
    [1, 1, 1, 1],
    [2, 5, 3, 1],
    [3, 150, 149, 3], // more than a thread's share
    [2, 4, 4, 4],
    [0, 4, 4, 3],
  ] as const) {
    on(`${engineName}: bytes [${shape}] become their table's floats to the bit, and integers`, async t => {
      await tf.setBackend(engineName);
      const before = tf.memory().numTensors;
      const [, , , channels] = shape;
      const count = tf.util.sizeFromShape([...shape]);
      const [mean, std] = [MEAN.slice(0, channels), STD.slice(0, channels)];
      const table = normalisingTable(mean, std);
      for (const buffer of [new ArrayBuffer(count), new SharedArrayBuffer(count)]) {
        const bytes = new Uint8Array(buffer).map((_, i) => (i * 89 + (i >> 8)) & 255);
        const expected = Float32Array.from(bytes, (byte, i) => {
          const c = i % channels;
          return (byte / 255 - mean[c]!) / std[c]!;
        });
        const floats = pixels(bytes, shape, table);
        t.deepEqual(floats.shape, [...shape]);
        t.is(floats.dtype, 'float32');
        t.true(Buffer.from(floats.dataSync().buffer).equals(Buffer.from(expected.buffer)));
        const integers = pixels(bytes, shape, integerTable(channels));
        t.is(integers.dtype, 'int32');
        t.deepEqual(integers.shape, [...shape]);
        t.true(integers.dataSync().every((value, i) => value === bytes[i]));
        tf.dispose([floats, integers]);
      }
      t.is(tf.memory().numTensors, before);
    });
  }
}

torchTest(
  'bytes that do not fill the shape, and a table of other channels, are refused with both',
  async t => {
    await tf.setBackend('torch');
    const table = integerTable(3);
    t.throws(() => pixels(new Uint8Array(11), [1, 2, 2, 3], table), {
      message: /bytes.*\[1, 2, 2, 3\].*\[11\]/,
    });
    t.throws(() => pixels(new Uint8Array(4), [1, 2, 2, 1], table), { message: /\[1,256\].*has 768/ });
  },
);
