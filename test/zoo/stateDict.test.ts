import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import test from 'ava';
import { convertActivations, load, pau, publish, StateDictError, zoo } from '../../src/index.js';
import { originOf } from '../../zoo/architecture.js';
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

test.serial('a file is read from its path; names may have the prefix of DataParallel', async t => {
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

test.serial(
  'every missing, unexpected and misshapen name is in the error; nothing is left behind',
  async t => {
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
  },
);

test.serial('weights of the other variant are recognised', async t => {
  const from = writeSafetensors(new Map([['fc.weight', { shape: [1], values: Float32Array.of(1) }]]));
  await t.throwsAsync(zoo.load('resnet18', { from }), {
    instanceOf: StateDictError,
    message: /The names are those of the variant 'imagenet'\.$/,
  });
});

test.serial(
  'a network with loaded weights becomes a Padé network: a PAU of ReLU answers nearly as ReLU does',
  async t => {
    const relu = await zoo.load('vgg8', { from: writeSafetensors(vgg8()) });
    const pade = await convertActivations(relu, { from: 'relu', to: pau({ init: 'relu' }) });
    t.is(pade.layers.filter(layer => layer.getClassName() === 'Pade').length, 5);
    t.is(pade.countParams(), relu.countParams() + 50);
    for (const { name } of relu.layers.filter(layer => /^(conv|bn|logits)/.test(layer.name))) {
      const [ours, theirs] = [pade, relu].map(model => model.getLayer(name).getWeights());
      ours!.forEach((weight, i) => {
        t.deepEqual(weight.dataSync(), theirs![i]!.dataSync(), name);
      });
    }
    // Up to the first activation the networks are one; there the PAU misses ReLU by 3.4e-2 at most on [-3, 3].
    const x = tf.tensor4d(noise(2 * 32 * 32 * 3, 1, 1), [2, 32, 32, 3]);
    const first = (model: typeof relu, layer: string) =>
      (
        tfl.model({ inputs: model.inputs, outputs: model.getLayer(layer).output }).predict(x) as tf.Tensor
      ).dataSync();
    const input = first(relu, 'bn1');
    t.deepEqual(first(pade, 'bn1'), input);
    const [y, target] = [first(pade, 'act1'), first(relu, 'act1')];
    const inside = [...input.keys()].filter(i => Math.abs(input[i]!) <= 3);
    t.true(inside.length > input.length / 10);
    const misses = inside.reduce((most, i) => Math.max(most, Math.abs(y[i]! - target[i]!)), 0);
    t.true(misses <= 0.0345 && misses > 0.001, String(misses));
    relu.dispose();
    pade.dispose();
  },
);

test.serial('a checkpoint tells variant and width, and the loaded network remembers them', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'padezoo-'));
  try {
    for (const [name, options] of [
      ['mobileNetV2', { variant: 'imagenet', width: 0.25, inputShape: [32, 32, 3] }],
      ['vgg8', { width: { conv1: 5 } }],
      ['lenet', {}],
    ] as const) {
      const model = zoo.create(name, options);
      const { manifest } = await publish(model, { to: join(folder, name), archive: 'none' });
      const { variant, width } = { width: 1, variant: undefined, ...options };
      t.is(manifest.architecture.options.variant, variant);
      t.deepEqual(manifest.architecture.options.width, width);
      const again = await load(join(folder, name));
      t.like(originOf(again), { architecture: name, variant, width });
      t.deepEqual(originOf(again)!.width, originOf(model)!.width);
      model.dispose();
      again.dispose();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
