import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import { CompiledStep } from '../../src/engines/compiledStep.js';
import { engine } from '../../src/index.js';
import { bytePixels, normalisedPixels, normalisingTable } from '../../src/ops/pixels.js';
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
        const floats = normalisedPixels(bytes, shape, table);
        t.deepEqual(floats.shape, [...shape]);
        t.is(floats.dtype, 'float32');
        t.true(Buffer.from(floats.dataSync().buffer).equals(Buffer.from(expected.buffer)));
        const integers = bytePixels(bytes, shape);
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
    const table = normalisingTable([0, 0, 0], [1, 1, 1]);
    t.throws(() => normalisedPixels(new Uint8Array(11), [1, 2, 2, 3], table), {
      message: /bytes.*\[1, 2, 2, 3\].*\[11\]/,
    });
    t.throws(() => normalisedPixels(new Uint8Array(4), [1, 2, 2, 1], table), {
      message: /\[1,256\].*has 768/,
    });
    t.throws(() => bytePixels(new Uint8Array(11), [1, 2, 2, 3]), { message: /\[1, 2, 2, 3\].*11/ });
  },
);

/** Every way out of a byte: what calculates must see int32, or 255 + 1 were 0. */
const USES: Readonly<Record<string, (x: tf.Tensor4D) => tf.Tensor>> = {
  sum: x => tf.add(x, tf.scalar(1, 'int32')),
  product: x => tf.mul(x, x),
  negative: x => tf.neg(x),
  division: x => tf.div(x, tf.scalar(2, 'int32')),
  'total of all': x => tf.sum(x),
  mean: x => tf.mean(x),
  float: x => tf.mul(tf.cast(x, 'float32'), 0.5),
  bool: x => tf.cast(x, 'bool'),
  slice: x => tf.add(tf.slice(x, [0, 1, 0, 1], [1, 2, 3, 2]), 1),
  'reshaped and turned': x => tf.add(tf.transpose(tf.reshape(x, [6, 6])), 1),
  'with integers behind it': x => tf.concat([x, tf.fill([1, 4, 3, 3], -7, 'int32')], 3),
  rows: x => tf.gather(x, tf.tensor1d([2, 0], 'int32'), 1),
  'as indices': x => tf.gather(tf.range(0, 256, 1, 'int32'), x),
  padded: x =>
    tf.pad(
      x,
      [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ],
      -1,
    ),
  resized: x => tf.image.resizeBilinear(x, [2, 2]),
  'largest place': x => tf.argMax(x, 3),
  compared: x => tf.greater(x, tf.scalar(127, 'int32')),
  chosen: x => tf.where(tf.greater(x, tf.scalar(127, 'int32')), x, tf.onesLike(x)),
  'one hot': x => tf.oneHot(tf.reshape(x, [-1]) as tf.Tensor1D, 256),
  copied: x => tf.clone(x),
};

const IMAGE = [1, 4, 3, 3] as const;
const imageBytes = () => Uint8Array.from({ length: 36 }, (_, i) => (i * 89 + 200) & 255);

for (const [name, use] of Object.entries(USES))
  torchTest(`bytes are kept as bytes, and calculated with as int32: ${name}`, async t => {
    await tf.setBackend('torch');
    const results = tf.tidy(() =>
      [bytePixels(imageBytes(), IMAGE), tf.tensor4d(Int32Array.from(imageBytes()), [...IMAGE], 'int32')].map(
        x => {
          const result = use(x);
          return { dtype: result.dtype, shape: result.shape, values: Array.from(result.dataSync()) };
        },
      ),
    );
    t.deepEqual(results[0], results[1]);
  });

for (const precision of ['fp32', 'bf16'] as const)
  torchTest(`a gradient is as of int32 where bytes come in: ${precision}`, async t => {
    await engine.use('torch', { precision });
    t.teardown(() => engine.use('torch', { precision: 'fp32' }));
    for (const activation of [tf.leakyRelu, tf.relu, tf.relu6]) {
      const [ofBytes, ofIntegers] = tf.tidy(() =>
        [
          bytePixels(imageBytes(), IMAGE),
          tf.tensor4d(Int32Array.from(imageBytes()), [...IMAGE], 'int32'),
        ].map(x =>
          Array.from(
            tf
              .grad((x: tf.Tensor) => tf.mul(activation(x), 0.3))(x)
              .dataSync(),
          ),
        ),
      );
      t.deepEqual(ofBytes, ofIntegers, activation.name);
    }
  });

torchTest('a compiled step reads a variable of bytes, as its input as well', async t => {
  await engine.use('torch');
  const variable = tf.variable(bytePixels(imageBytes(), IMAGE));
  const step = new CompiledStep(([x]) => [tf.add(tf.sum(x!), tf.sum(variable))]);
  const total = imageBytes().reduce((sum, byte) => sum + byte);
  const run = (x: tf.Tensor) => step.run([x])[0]!.dataSync()[0];
  for (let i = 0; i < 4; i++) t.is(run(bytePixels(imageBytes(), IMAGE)), 2 * total);
  variable.assign(bytePixels(imageBytes(), IMAGE));
  t.is(run(variable), 2 * total);
  variable.assign(bytePixels(imageBytes(), IMAGE));
  t.is(run(bytePixels(imageBytes(), IMAGE)), 2 * total);
  step.dispose();
  variable.dispose();
});

torchTest(
  'bytes take a byte each, whoever reads them, and are widened where they are a variable',
  async t => {
    await tf.setBackend('torch');
    const shape = [4, 64, 64, 3] as const;
    const bytes = new Uint8Array(4 * 64 * 64 * 3).fill(200);
    const nativeBytes = () => (tf.memory() as unknown as { numBytesNative: number }).numBytesNative;
    const before = nativeBytes();
    const images = bytePixels(bytes, shape);
    const taken = nativeBytes() - before;
    t.true(taken >= bytes.length && taken < 1.1 * bytes.length, `${taken} bytes for ${bytes.length}`);
    bytes.fill(0); // they were copied
    t.true((await images.data()) instanceof Int32Array);
    t.true(images.dataSync().every(value => value === 200));
    const variable = tf.variable(images);
    variable.assign(tf.add(variable, tf.scalar(100, 'int32')));
    t.true(variable.dataSync().every(value => value === 300));
    tf.dispose([images, variable]);
  },
);

torchTest('a compiled step takes bytes, and integers after them, for what they are', async t => {
  await tf.setBackend('torch');
  const step = new CompiledStep(([x]) => [tf.sum(tf.mul(x!, 2))]);
  const totals = [1, 2, 3, 4, 5].map(k => {
    const x =
      k === 4 ? tf.fill([1, 2, 2, 1], 200, 'int32') : bytePixels(new Uint8Array(4).fill(200), [1, 2, 2, 1]);
    return step.run([x])[0]!.dataSync()[0];
  });
  t.deepEqual(totals, [1600, 1600, 1600, 1600, 1600]);
});
