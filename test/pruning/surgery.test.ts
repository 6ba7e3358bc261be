import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { type CouplingGraph, couplingGraph } from '../../pruning/graph.js';
import { type Alive, reinitialised, removeChannels, survivors } from '../../pruning/surgery.js';
import { zoo } from '../../src/index.js';
import { torchTest } from '../support/engine.js';
import { difference, maskConsumers, someAlive } from './masked.js';
import { images, networks, shuffled } from './models.js';

/** Sums of a few hundred float32 products, each rounded to 6e-8 of its size. */
const FLOAT32 = 1e-5;

const all: Record<string, () => layers.LayersModel> = {
  ...networks,
  lenet: () => shuffled(zoo.lenet({ activation: 'pau' })),
};

for (const [name, make] of Object.entries(all)) {
  for (const [share, seed] of [
    [0.3, 1],
    [0.6, 2],
    [1, 3],
  ] as const) {
    torchTest(`${name}: pruned equals masked with ${share * 100} % of the channels gone`, t => {
      const graph = couplingGraph(make());
      const alive = someAlive(graph, share, seed);
      t.true(difference(make, graph, alive) <= FLOAT32);
    });
  }

  torchTest(`${name}: two cuts in a row equal one`, t => {
    const model = make();
    const graph = couplingGraph(model);
    const alive = someAlive(graph, 0.3, 4);
    const once = removeChannels(model, graph, alive);
    const again = couplingGraph(once);
    const left = someAlive(again, 0.3, 5);
    const twice = removeChannels(once, again, left);
    const both = alive.slice();
    survivorsOf(graph, alive).forEach((channel, i) => {
      both[channel] = left[i]!;
    });
    const expected = removeChannels(model, graph, both);
    t.true(sameBytes(twice.getWeights(), expected.getWeights()));
    const x = images(model);
    t.true(sameBytes([twice.predict(x) as tf.Tensor], [expected.predict(x) as tf.Tensor]));
    for (const made of [model, once, twice, expected, x]) made.dispose();
  });

  torchTest(`${name}: the surviving weights have the gradients that they have in the masked network`, t => {
    const model = make();
    const graph = couplingGraph(model);
    const alive = someAlive(graph, 0.4, 6);
    const smaller = removeChannels(model, graph, alive);
    maskConsumers(model, graph, alive);
    const x = images(model);
    const [whole, part] = [gradients(model, x), gradients(smaller, x)];
    for (const { layer, axes } of graph.layers) {
      const { weights } = model.getLayer(layer);
      // A bias before batch normalisation has no gradient but rounding: what is small for the layer is small.
      const scale = Math.max(
        ...weights.map((_, i) => {
          const gradient = whole.get(`${layer} ${i}`);
          return gradient ? tf.max(tf.abs(gradient)).dataSync()[0]! : 0;
        }),
      );
      weights.forEach((weight, i) => {
        let expected = whole.get(`${layer} ${i}`);
        if (!expected) return; // moving statistics have none
        for (const { axis, channels } of axes.filter(entry => entry.weight === i)) {
          expected = tf.gather(expected, tf.tensor1d(survivors(channels, alive), 'int32'), axis);
        }
        const got = part.get(`${layer} ${i}`)!;
        t.deepEqual(got.shape, expected.shape);
        const off = tf.max(tf.abs(tf.sub(got, expected))).dataSync()[0]!;
        t.true(off <= 10 * FLOAT32 * scale, `${weight.originalName}: ${off} of ${scale}`);
      });
    }
  });
}

function gradients(model: layers.LayersModel, x: tf.Tensor): Map<string, tf.Tensor> {
  const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable);
  const { grads } = tf.variableGrads(() => {
    const y = model.apply(x, { training: true }) as tf.Tensor;
    return tf.sum(tf.square(tf.sub(y, 0.5))) as tf.Scalar;
  }, variables);
  return new Map(
    model.layers.flatMap(layer =>
      layer.weights.flatMap((weight, i) => {
        const gradient = grads[(weight.read() as tf.Variable).name];
        return gradient ? [[`${layer.name} ${i}`, gradient] as const] : [];
      }),
    ),
  );
}

const survivorsOf = ({ channels }: CouplingGraph, alive: Alive) =>
  survivors(
    Int32Array.from({ length: channels }, (_, i) => i),
    alive,
  );

/** ava's deepEqual takes minutes for a LeNet. */
function sameBytes(a: readonly tf.Tensor[], b: readonly tf.Tensor[]): boolean {
  const bytes = (tensor: tf.Tensor) => Buffer.from(new Uint8Array(tensor.dataSync().buffer));
  return a.length === b.length && a.every((tensor, i) => bytes(tensor).equals(bytes(b[i]!)));
}

test.serial('pruning disposes all that it makes but the network', t => {
  const model = networks.residual();
  const before = tf.memory().numTensors;
  const graph = couplingGraph(model);
  removeChannels(model, graph, someAlive(graph, 0.5, 1)).dispose();
  reinitialised(model, graph, someAlive(graph, 0.5, 1), 3).dispose();
  t.is(tf.memory().numTensors, before);
});

test.serial('starting afresh draws as for a network of that width: within 1/√fanIn of the new fan-in', t => {
  const model = zoo.lenet({ activation: 'pau' });
  const graph = couplingGraph(model);
  const alive = new Uint8Array(graph.channels);
  for (const { first, width } of graph.groups) alive.fill(1, first, first + Math.ceil(width / 4));
  const fresh = reinitialised(model, graph, alive, 5);
  const kernel = fresh.getLayer('conv2').weights[0]!.read();
  t.deepEqual(kernel.shape, [5, 5, 2, 4]);
  const largest = Math.max(...kernel.dataSync().map(Math.abs));
  const bound = 1 / Math.sqrt(5 * 5 * 2);
  t.true(largest <= bound && largest > 0.9 * bound);
});

test.serial('the same seed starts the same, another seed and another layer differently', t => {
  const model = networks.residual();
  const graph = couplingGraph(model);
  const alive = new Uint8Array(graph.channels).fill(1);
  const [one, same, other] = [1, 1, 2].map(seed => reinitialised(model, graph, alive, seed));
  const kernel = (from: layers.LayersModel | undefined, layer: string) =>
    from!.getLayer(layer).getWeights().slice(0, 1);
  t.true(sameBytes(kernel(one, 'first_1'), kernel(same, 'first_1')));
  t.false(sameBytes(kernel(one, 'first_1'), kernel(other, 'first_1')));
  t.false(sameBytes(kernel(one, 'first_2'), kernel(one, 'second_2')));
});
