import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import fc from 'fast-check';
import { type Criterion, channelScores, filterScores } from '../../pruning/criteria.js';
import { couplingGraph } from '../../pruning/graph.js';
import { selectByLayer, selectGlobally } from '../../pruning/select.js';
import { taylorScores } from '../../pruning/taylor.js';
import { OptionsError } from '../../src/index.js';
import { softmaxCrossEntropy } from '../../src/ops/softmaxCrossEntropy.js';
import { torchTest } from '../support/engine.js';
import { squares } from '../support/images.js';
import { networks, shuffled } from './models.js';

// kernel [1, 1, 2, 3]: two inputs, three filters (1, -4), (-2, 5), (3, -6)
const kernel = Float32Array.from([1, -2, 3, -4, 5, -6]);
const score = (criterion: 'sum' | 'l1' | 'l2') => [...filterScores(kernel, 3, 'conv', criterion)];

test("'sum' adds signs, 'l1' magnitudes, 'l2' squares", t => {
  t.deepEqual(score('sum'), [-3, 3, -3]);
  t.deepEqual(score('l1'), [5, 7, 9]);
  t.deepEqual(score('l2'), [Math.sqrt(17), Math.sqrt(29), Math.sqrt(45)]);
});

test('a function is given each filter with its weights', t => {
  const seen: unknown[] = [];
  const scores = filterScores(kernel, 3, 'conv', filter => {
    seen.push({ ...filter, weights: [...filter.weights] });
    return filter.weights[1]!;
  });
  t.deepEqual(seen, [
    { layer: 'conv', index: 0, weights: [1, -4] },
    { layer: 'conv', index: 1, weights: [-2, 5] },
    { layer: 'conv', index: 2, weights: [3, -6] },
  ]);
  t.deepEqual([...scores], [-4, 5, -6]);
});

/** Convolutions 'a' and 'b' that a sum ties together, with batch normalisation behind 'a'. */
function tied(): layers.LayersModel {
  const { layers: make } = layers;
  const input = layers.input({ shape: [4, 4, 1] });
  const conv = (name: string) => make.conv2d({ name, filters: 3, kernelSize: 1, useBias: false });
  const a = make.batchNormalization({ name: 'norm' }).apply(conv('a').apply(input)) as layers.SymbolicTensor;
  const b = conv('b').apply(input) as layers.SymbolicTensor;
  const sum = make.add({}).apply([a, b]) as layers.SymbolicTensor;
  const flat = make.globalAveragePooling2d({}).apply(sum) as layers.SymbolicTensor;
  const model = layers.model({ inputs: input, outputs: make.dense({ units: 2 }).apply(flat) as never });
  model.getLayer('a').setWeights([tf.tensor([1, -2, 5], [1, 1, 1, 3])]);
  model.getLayer('b').setWeights([tf.tensor([4, 1, -3], [1, 1, 1, 3])]);
  const [, ...rest] = model.getLayer('norm').getWeights();
  model.getLayer('norm').setWeights([tf.tensor([0.5, -2, 0.1]), ...rest]);
  return model;
}

const scoresOf = (criterion: Criterion, aggregation: 'sum' | 'mean' | 'max', seed = 1) => {
  const model = tied();
  return [...channelScores(model, couplingGraph(model), { criterion, aggregation, seed })];
};

test('scores of coupled convolutions are added, averaged, or the largest is taken', t => {
  t.deepEqual(scoresOf('sum', 'sum'), [5, -1, 2]);
  t.deepEqual(scoresOf('sum', 'mean'), [2.5, -0.5, 1]);
  t.deepEqual(scoresOf('sum', 'max'), [4, 1, 5]);
  t.deepEqual(scoresOf('l1', 'sum'), [5, 3, 8]);
});

test("'bn-scale' is the magnitude of gamma, and refuses a group without batch normalisation", t => {
  t.deepEqual(scoresOf('bn-scale', 'sum').map(Math.fround), [0.5, 2, 0.1].map(Math.fround));
  const model = networks.seams();
  const error = t.throws(
    () => channelScores(model, couplingGraph(model), { criterion: 'bn-scale', aggregation: 'sum', seed: 0 }),
    { instanceOf: OptionsError },
  );
  t.regex(error!.message, /'left_a' pass no batch normalisation/);
});

test("'fpgm' is the sum of distances to the other filters", t => {
  // one weight a filter: |1+2| + |1-5| = 7 and so on, plus |4-1| + |4+3| = 10
  const expected = [7 + 10, 3 + 7 + 3 + 4, 4 + 7 + 7 + 4];
  for (const [i, score] of scoresOf('fpgm', 'sum').entries()) t.true(Math.abs(score - expected[i]!) < 1e-5);
});

test("'random' is the seed's", t => {
  t.deepEqual(scoresOf('random', 'sum', 3), scoresOf('random', 'sum', 3));
  t.notDeepEqual(scoresOf('random', 'sum', 3), scoresOf('random', 'sum', 4));
});

test('a score that is not a number is refused', t => {
  t.throws(() => scoresOf(() => Number.NaN, 'sum'), { message: /filter 0 of 'a' is not a number/ });
});

test('a channel of several filters has their sum', t => {
  const model = networks.depthwise();
  const graph = couplingGraph(model);
  const scores = channelScores(model, graph, {
    criterion: ({ layer, index }) => (layer === 'double' ? 10 ** index : 0),
    aggregation: 'sum',
    seed: 0,
  });
  t.deepEqual([...scores.subarray(0, 3)], [11, 1100, 110_000]);
});

torchTest("'taylor' is the square of the loss's derivative along the filter", async t => {
  const data = squares({ count: 32 });
  const { layers: make } = layers;
  const model = shuffled(
    layers.sequential({
      layers: [
        make.conv2d({ name: 'conv', filters: 3, kernelSize: 5, strides: 4, inputShape: [32, 32, 1] }),
        make.activation({ activation: 'sigmoid' }),
        make.flatten({}),
        make.dense({ units: 4 }),
      ],
    }),
  );
  const scores = await taylorScores(model, couplingGraph(model), data, { batchSize: 32, seed: 0 });
  let batch: { images: tf.Tensor4D; labels: tf.Tensor1D } | undefined;
  for await (const each of data.train({ batchSize: 32, seed: 0, epoch: 0 })) batch = each;
  const layer = model.getLayer('conv');
  const [weights, bias] = layer.getWeights().map(weight => weight.clone());
  // Scaling filter f by 1 + h changes the loss by h Σ gradient · weight.
  const lossAt = (filter: number, scale: number) => {
    const factors = [0, 1, 2].map(each => (each === filter ? scale : 1));
    layer.setWeights([tf.mul(weights!, tf.tensor(factors)), bias!]);
    return softmaxCrossEntropy(model.predict(batch!.images) as tf.Tensor2D, batch!.labels).dataSync()[0]!;
  };
  const h = 1e-2;
  for (const filter of [0, 1, 2]) {
    const slope = (lossAt(filter, 1 + h) - lossAt(filter, 1 - h)) / (2 * h);
    const got = scores.get('conv')![filter]!;
    t.true(
      Math.abs(Math.sqrt(got) - Math.abs(slope)) <= 0.02 * Math.abs(slope) + 1e-4,
      `${got} ${slope ** 2}`,
    );
  }
});

const chain = couplingGraph(networks.chain()); // widths 5 and 7

test('the highest stay; of equal scores the first', t => {
  const scores = Float64Array.from([1, 2, 1, 2, 0, 7, 7, 7, 1, 1, 1, 1]);
  t.deepEqual(selectByLayer(chain, scores, [3, 4]), [
    [0, 1, 3],
    [0, 1, 2, 3],
  ]);
});

test('a harder step never revives a channel', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 7 }),
        (scores, a, b) => {
          const kept = (...counts: number[]) => selectByLayer(chain, Float64Array.from(scores), counts);
          const [mild, hard] = [kept(5, b), kept(Math.min(a, 5), Math.max(1, b - 1))];
          return hard.every((group, i) => group.every(index => mild[i]!.includes(index)));
        },
      ),
    ),
  );
});

test('every convolution of a group keeps a filter, though the others score higher', t => {
  const graph = couplingGraph(networks.seams());
  const scores = new Float64Array(graph.channels).fill(0);
  scores.set([9, 9, 1, 2, 0]); // left_b makes channels 2, 3, 4; right_b makes channel 4 alone
  t.deepEqual(selectByLayer(graph, scores, [3, 4])[0], [0, 1, 4]);
  t.deepEqual(selectByLayer(graph, scores, [1, 4])[0], [0, 4], 'more are kept than were asked for');
});

test('global scope takes the lowest of all groups, after making them comparable, and empties none', t => {
  const widths = [5, 7].map(width => ({ original: width, present: width }));
  const bounds = { percentOf: 'original', minFilters: 1, roundTo: 1 } as const;
  // Scores of the second group are 100 times as large; its own mean makes them 0.1 to 2.2.
  const scores = Float64Array.from([1, 1, 1, 1, 1, 10, 20, 30, 100, 150, 170, 220]);
  t.deepEqual(selectGlobally(chain, scores, widths, 25, bounds), [
    [0, 1, 2, 3, 4],
    [3, 4, 5, 6],
  ]);
  const low = Float64Array.from([-5, -4, -3, -2, -1, 1, 1, 1, 1, 1, 1, 1]);
  t.deepEqual(selectGlobally(chain, low, widths, 50, bounds)[0], [4]);
  t.deepEqual(
    selectGlobally(chain, low, widths, 50, { ...bounds, minFilters: 3 }).map(({ length }) => length),
    [3, 3],
  );
});
