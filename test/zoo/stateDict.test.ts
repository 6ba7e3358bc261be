import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { StateDictError, zoo } from '../../src/index.js';
import '../support/engine.js'; // chooses the engine before the first network is built
import { noise } from '../support/fixture.js';
import { type Written, writeSafetensors } from '../support/safetensors.js';

/** kuangliu's VGG8: [convolution, normalisation, ReLU, pooling] five times, and a classifier. */
function vgg8(prefix = ''): Map<string, Written> {
  const tensors = new Map<string, Written>();
  const add = (name: string, shape: number[]) => {
    const values = noise(tf.util.sizeFromShape(shape), 0.5, tensors.size).map(value => value + 0.6);
    tensors.set(prefix + name, { shape, values });
  };
  [64, 128, 256, 512, 512].forEach((filters, i, all) => {
    add(`features.${4 * i}.weight`, [filters, all[i - 1] ?? 3, 3, 3]);
    add(`features.${4 * i}.bias`, [filters]);
    for (const name of ['weight', 'bias', 'running_mean', 'running_var']) {
      add(`features.${4 * i + 1}.${name}`, [filters]);
    }
    add(`features.${4 * i + 1}.num_batches_tracked`, []);
  });
  add('classifier.weight', [10, 512]);
  add('classifier.bias', [10]);
  return tensors;
}

test('a file is read from its path; names may have the prefix of DataParallel', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'padezoo-'));
  try {
    const path = join(folder, 'vgg8.safetensors');
    const tensors = vgg8('module.');
    await writeFile(path, writeSafetensors(tensors));
    const model = await zoo.load('vgg8', { from: path });
    t.is(model.getLayer('act1').getClassName(), 'ReLU'); // what the weights were trained with
    const kernel = model.getLayer('conv2').getWeights()[0]!.arraySync() as number[][][][];
    const { values } = tensors.get('module.features.4.weight')!;
    const [out, input, row, column] = [5, 7, 2, 1];
    t.is(kernel[row]![column]![input]![out], values[((out * 64 + input) * 3 + row) * 3 + column]);
    const variance = model.getLayer('bn3').getWeights()[3]!.dataSync();
    t.deepEqual([...variance], [...tensors.get('module.features.9.running_var')!.values]);
    model.dispose();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('every missing, unexpected and misshapen name is in the error; nothing is left behind', async t => {
  const tensors = vgg8();
  tensors.delete('features.1.running_var');
  tensors.delete('features.4.bias');
  tensors.set('features.99.weight', { shape: [1], values: Float32Array.of(1) });
  tensors.set('classifier.bias', { shape: [100], values: new Float32Array(100) });
  const before = tf.memory().numTensors;
  const error = await t.throwsAsync(zoo.load('vgg8', { from: writeSafetensors(tensors) }), {
    instanceOf: StateDictError,
  });
  t.deepEqual(error!.missing, ['features.1.running_var', 'features.4.bias']);
  t.deepEqual(error!.unexpected, ['features.99.weight']);
  t.deepEqual(error!.misshapen, ['classifier.bias [100], expected [10]']);
  for (const name of [...error!.missing, ...error!.unexpected]) t.true(error!.message.includes(name), name);
  t.is(tf.memory().numTensors, before);
});

test('weights of the other variant are recognised', async t => {
  const from = writeSafetensors(new Map([['fc.weight', { shape: [1], values: Float32Array.of(1) }]]));
  await t.throwsAsync(zoo.load('resnet18', { from }), {
    instanceOf: StateDictError,
    message: /The names are those of the variant 'imagenet'\.$/,
  });
});
