import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { zoo } from '../../src/index.js';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { OnnxRuntimeError, OnnxThread } from '../../src/publish/onnx/thread.js';
import { onnxFile } from '../../src/publish/onnx/write.js';
import { agreementOf } from '../../src/publish/parity/prove.js';
import { within } from '../support/closeness.js';
import '../support/engine.js';

const model = zoo.lenet({ activation: 'pau', seed: 1 });
const file = onnxFile(graphOf(model), { version: 'test' });
const SHAPE = [2, 1, 32, 32];

/** LeNet's images have one channel: its own layout is ONNX's. */
function batch(seed: number): { values: Float32Array; expected: Float32Array } {
  return tf.tidy(() => {
    const images = tf.randomUniform([2, 32, 32, 1], -1, 1, 'float32', seed);
    const expected = (model.predict(images) as tf.Tensor).dataSync() as Float32Array;
    return { values: images.dataSync() as Float32Array, expected };
  });
}

test.serial('batches that are given at once are answered each with its own logits', async t => {
  const thread = new OnnxThread(file);
  t.regex((await thread.version)!, /^\d+\.\d+/);
  const batches = [1, 2, 3, 4].map(batch);
  const answers = await Promise.all(batches.map(({ values }) => thread.run(values, SHAPE)));
  for (const [i, { expected }] of batches.entries())
    within(t, `batch ${i}`, answers[i]!, expected, { tolerance: 1e-5, scale: 1 });
  thread.dispose();
});

test.serial('a batch that onnxruntime refuses is an error; the next one is answered', async t => {
  const thread = new OnnxThread(file);
  const { values, expected } = batch(5);
  await t.throwsAsync(thread.run(values.subarray(0, 2 * 31 * 32), [2, 1, 31, 32]), {
    instanceOf: OnnxRuntimeError,
    message: /Expected: 32/,
  });
  within(t, 'logits', await thread.run(values, SHAPE), expected, { tolerance: 1e-5, scale: 1 });
  thread.dispose();
});

test.serial('a file that is no model is an error, for whoever waits and for whoever comes later', async t => {
  const thread = new OnnxThread(new Uint8Array(100));
  const waiting = thread.run(new Float32Array(1), [1]);
  const error = { instanceOf: OnnxRuntimeError, message: /protobuf|model/i };
  await t.throwsAsync(thread.version, error);
  await t.throwsAsync(waiting, error);
  await t.throwsAsync(thread.run(new Float32Array(1), [1]), error);
});

test.serial('a thread that is disposed answers what it was given, and nothing later', async t => {
  const thread = new OnnxThread(file);
  const { values, expected } = batch(6);
  const given = [thread.run(values, SHAPE), thread.run(values, SHAPE)];
  thread.dispose();
  const late = t.throwsAsync(thread.run(values, SHAPE), { instanceOf: OnnxRuntimeError, message: /ended/ });
  for (const logits of await Promise.all(given))
    within(t, 'logits', logits, expected, { tolerance: 1e-5, scale: 1 });
  await late;
});

test.serial(
  'a batch that fails stops those behind it, and nothing runs any more when that is told',
  async t => {
    const batches = Array.from({ length: 8 }, () => tf.zeros([1, 1]));
    let runs = 0;
    let ended = 0;
    const runtime = {
      name: 'test',
      async run() {
        const fails = ++runs === 2;
        await new Promise(resolve => setTimeout(resolve, fails ? 1 : 20));
        ended++;
        if (fails) throw new Error('the second');
        return new Float32Array(1);
      },
      dispose() {},
    };
    const reference = { logits: new Float32Array(8), classes: 1 };
    await t.throwsAsync(agreementOf(runtime, { batches }, reference), { message: 'the second' });
    t.is(ended, runs);
    t.true(runs <= 3, String(runs));
    tf.dispose(batches);
  },
);

test.serial('flags of Node that suit no file do not reach the thread', async t => {
  const program = `
    import { OnnxThread } from ${JSON.stringify(new URL('../../src/publish/onnx/thread.js', import.meta.url))};
    const thread = new OnnxThread(new Uint8Array(100));
    await thread.version.catch(error => console.log(error.message));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  t.regex(stdout, /protobuf|model/i);
});
