import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { UnsupportedLayerError, widthGroups } from '../../pruning/graph.js';
import { type Cut, reinitialised, removeFilters } from '../../pruning/surgery.js';
import { zoo } from '../../src/index.js';
import { summary } from '../../zoo/summary.js';
import '../support/engine.js';

/**
 * What removal must equal: the consumers' input slices of the removed channels set to zero. Zeroing the filters instead
 * would not do: a PAU does not map 0 to 0.
 */
function zeroConsumers(model: layers.LayersModel, cuts: readonly Cut[]): void {
  for (const { group, kept } of cuts) {
    for (const { layer: name, axis, positions } of group.consumers) {
      const layer = model.getLayer(name);
      const [kernel, ...rest] = layer.getWeights();
      const mask = new Float32Array(group.width * positions);
      for (let p = 0; p < positions; p++) for (const channel of kept) mask[p * group.width + channel] = 1;
      const shape = kernel!.shape.map((size, i) => (i === axis ? size : 1));
      layer.setWeights([tf.mul(kernel!, tf.tensor(mask, shape)), ...rest]);
    }
  }
}

/** Two convolutions, batch normalisation, a flatten over 3x3 positions: every rule of a chain at once. */
function chain(): layers.LayersModel {
  const model = layers.sequential({
    layers: [
      layers.layers.conv2d({ filters: 5, kernelSize: 3, inputShape: [10, 10, 2], name: 'a' }),
      layers.layers.batchNormalization({ name: 'norm' }),
      layers.layers.activation({ activation: 'sigmoid', name: 'act' }),
      layers.layers.conv2d({ filters: 7, kernelSize: 3, name: 'b' }),
      layers.layers.averagePooling2d({ poolSize: 2, name: 'pool' }),
      layers.layers.flatten({ name: 'flat' }),
      layers.layers.dense({ units: 4, name: 'out' }),
    ],
  });
  // Distinct numbers everywhere, so that a wrong index shows.
  model.setWeights(
    model.getWeights().map((weight, i) => {
      const values = Float32Array.from(
        { length: weight.size },
        (_, j) => 0.7 + Math.sin(1.7 * i + 0.9 * j) / 2,
      );
      return tf.tensor(values, weight.shape);
    }),
  );
  return model;
}

const images = (shape: number[]) =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(0.37 * i * i)),
    shape,
  );

async function provesEqual(
  t: import('ava').ExecutionContext,
  make: () => layers.LayersModel,
  keep: Record<string, number[]>,
): Promise<void> {
  const model = make();
  const cuts = widthGroups(model).map(group => ({ group, kept: keep[group.producers[0]!]! }));
  const smaller = await removeFilters(model, cuts);
  const masked = make();
  zeroConsumers(masked, cuts);
  const x = images([3, ...(model.inputs[0]!.shape.slice(1) as number[])]);
  const expected = (masked.predict(x) as tf.Tensor).dataSync();
  const got = (smaller.predict(x) as tf.Tensor).dataSync();
  const scale = Math.max(...expected.map(Math.abs));
  for (let i = 0; i < got.length; i++) t.true(Math.abs(got[i]! - expected[i]!) <= 1e-5 * scale);
  for (const [name, kept] of Object.entries(keep))
    t.is(smaller.getLayer(name).weights[0]!.shape.at(-1), kept.length);
}

test.serial('a pruned LeNet-PAU gives what the masked one gives, with gaps in the indices', t =>
  provesEqual(t, () => zoo.lenet({ activation: 'pau', seed: 3 }), {
    conv1: [0, 2, 5],
    conv2: [1, 2, 5, 8, 9, 14, 15],
    conv3: [0, 7, 8, 40, 41, 100, 119],
  }),
);

test.serial('a chain with batch normalisation and a flatten over 3x3 positions does so too', t =>
  provesEqual(t, chain, { a: [1, 3, 4], b: [0, 2, 3, 6] }),
);

test.serial('a chain pruned to one filter a convolution still runs', t =>
  provesEqual(t, chain, { a: [4], b: [6] }),
);

test.serial('two cuts in a row equal one', async t => {
  const model = chain();
  const cut = async (from: layers.LayersModel, a: number[], b: number[]) => {
    const groups = widthGroups(from);
    return removeFilters(from, [
      { group: groups[0]!, kept: a },
      { group: groups[1]!, kept: b },
    ]);
  };
  const twice = await cut(await cut(model, [0, 1, 3, 4], [0, 2, 3, 4, 6]), [1, 3], [0, 1, 4]);
  const once = await cut(model, [1, 4], [0, 2, 6]);
  const x = images([2, 10, 10, 2]);
  t.deepEqual((twice.predict(x) as tf.Tensor).dataSync(), (once.predict(x) as tf.Tensor).dataSync());
});

test.serial(
  'starting afresh draws as for a network of that width: within 1/√fanIn of the new fan-in',
  async t => {
    const model = zoo.lenet({ activation: 'pau' });
    const groups = widthGroups(model);
    const cuts = groups.map(group => ({
      group,
      kept: Array.from({ length: Math.ceil(group.width / 4) }, (_, i) => i),
    }));
    const fresh = await reinitialised(model, cuts, 5);
    const kernel = fresh.getLayer('conv2').weights[0]!.read();
    t.deepEqual(kernel.shape, [5, 5, 2, 4]);
    const largest = Math.max(...kernel.dataSync().map(Math.abs));
    const bound = 1 / Math.sqrt(5 * 5 * 2);
    t.true(largest <= bound && largest > 0.9 * bound);
  },
);

test.serial('LeNet has three groups, each read by the next layer', t => {
  const groups = widthGroups(zoo.lenet({ activation: 'relu' }));
  t.deepEqual(
    groups.map(({ producers, consumers, width }) => [
      producers,
      consumers.map(reader => reader.layer),
      width,
    ]),
    [
      [['conv1'], ['conv2'], 6],
      [['conv2'], ['conv3'], 16],
      [['conv3'], ['dense1'], 120],
    ],
  );
});

test.serial('a layer that pruning does not understand is named', t => {
  const model = layers.sequential({
    layers: [
      layers.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 1], name: 'conv' }),
      layers.layers.permute({ dims: [3, 1, 2], name: 'swap' }),
      layers.layers.flatten(),
      layers.layers.dense({ units: 2 }),
    ],
  });
  const error = t.throws(() => widthGroups(model), { instanceOf: UnsupportedLayerError });
  t.regex(error!.message, /layer 'swap' \(Permute\)/);
});

test.serial('two readers of one convolution are refused, not guessed', t => {
  const input = layers.input({ shape: [8, 8, 1] });
  const conv = layers.layers
    .conv2d({ filters: 4, kernelSize: 3, name: 'conv' })
    .apply(input) as layers.SymbolicTensor;
  const left = layers.layers.reLU({ name: 'left' }).apply(conv) as layers.SymbolicTensor;
  const sum = layers.layers.add({ name: 'sum' }).apply([conv, left]) as layers.SymbolicTensor;
  t.throws(() => widthGroups(layers.model({ inputs: input, outputs: sum })), {
    instanceOf: UnsupportedLayerError,
  });
});

test.serial('the classifier and a convolution that makes the output keep their filters', t => {
  const model = layers.sequential({
    layers: [layers.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 1] })],
  });
  t.deepEqual(widthGroups(model), []);
});

test.serial('sizes after cutting equal the published table: LeNet at 10..60 %', async t => {
  const model = zoo.lenet({ activation: 'relu' });
  const sizes: number[][] = [];
  for (const percent of [10, 20, 30, 40, 50, 60]) {
    const cuts = widthGroups(model).map(group => ({
      group,
      kept: Array.from({ length: group.width - Math.floor((group.width * percent) / 100) }, (_, i) => i),
    }));
    const { parameters, macs } = summary(await removeFilters(model, cuts));
    sizes.push([parameters, macs]);
  }
  t.deepEqual(sizes, [
    [53_035, 393_012],
    [42_062, 300_604],
    [34_916, 281_096],
    [26_168, 203_288],
    [18_720, 136_680],
    [14_024, 124_572],
  ]);
});
