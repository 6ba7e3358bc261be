import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import type { Dataset } from '../../datasets/dataset.js';
import { CRITERIA, channelScores } from '../../pruning/criteria.js';
import { type CouplingGraph, couplingGraph } from '../../pruning/graph.js';
import { firstChannels, plannedCounts, sizesOf, widthsOf } from '../../pruning/plan.js';
import { selectByLayer } from '../../pruning/select.js';
import { aliveChannels, removeChannels } from '../../pruning/surgery.js';
import { taylorScores } from '../../pruning/taylor.js';
import { summary, zoo } from '../../src/index.js';
import { torchTest } from '../support/engine.js';
import { noise } from '../support/fixture.js';
import { difference, someAlive } from './masked.js';
import { shuffled } from './models.js';

/** ReLU: the counts of the tables are without activations, and so are these. */
const build = (name: string, options: object = {}) => zoo.create(name, { activation: 'relu', ...options });

/** Groups, convolutions in them, and sizes of the network that is left at 10..60 %: published tables, floor. */
const EXPECTED = {
  lenet: {
    groups: 3,
    original: {
      parameters: [53_035, 42_062, 34_916, 26_168, 18_720, 14_024],
      macs: [393_012, 300_604, 281_096, 203_288, 136_680, 124_572],
    },
    remaining: {
      parameters: [53_035, 36_071, 20_857, 10_163, 4_179, 2_092],
      macs: [393_012, 282_248, 188_089, 113_298, 58_061, 26_512],
    },
  },
  vggMnist: {
    groups: 8,
    original: {
      parameters: [7_486_073, 5_918_397, 4_541_153, 3_340_506, 2_308_234, 1_483_961],
      macs: [123_450_122, 97_604_996, 74_886_686, 55_092_872, 38_046_208, 24_670_474],
    },
    remaining: {
      parameters: [7_486_073, 4_799_050, 2_367_431, 859_210, 215_455, 36_538],
      macs: [123_450_122, 79_372_242, 39_339_286, 14_339_352, 3_631_308, 627_008],
    },
  },
  vgg8: {
    groups: 5,
    original: {
      parameters: [3_182_991, 2_516_643, 1_931_673, 1_421_214, 982_538, 633_167],
      macs: [55_529_462, 44_099_060, 33_855_146, 25_075_784, 17_402_368, 11_474_422],
    },
    remaining: {
      parameters: [3_182_991, 2_042_176, 1_009_313, 367_276, 92_689, 15_978],
      macs: [55_529_462, 36_015_966, 18_138_562, 6_823_128, 1_844_412, 368_960],
    },
  },
  mobileNetV2: {
    groups: 26,
    original: {
      parameters: [1_874_795, 1_492_034, 1_152_881, 857_364, 602_482, 396_515],
      macs: [75_112_304, 60_222_352, 46_695_040, 35_122_528, 24_483_072, 16_520_048],
    },
    remaining: {
      parameters: [1_874_795, 1_225_041, 621_455, 241_058, 69_224, 15_591],
      macs: [75_112_304, 49_753_572, 25_741_420, 10_420_600, 3_196_964, 844_412],
    },
  },
  resnet101: {
    groups: 71,
    original: {
      parameters: [34_556_696, 27_287_298, 20_969_232, 15_401_286, 10_660_138, 6_881_592],
      macs: [2_043_932_472, 1_614_373_158, 1_238_496_564, 909_727_346, 627_943_424, 406_791_992],
    },
    remaining: {
      parameters: [34_556_696, 22_173_299, 10_948_522, 3_970_717, 1_003_803, 171_867],
      macs: [2_043_932_472, 1_313_145_688, 648_858_900, 234_992_434, 58_955_910, 9_846_546],
    },
  },
  denseNet121: {
    groups: 120,
    original: {
      parameters: [5_709_003, 4_540_633, 3_508_049, 2_606_402, 1_762_954, 1_165_515],
      macs: [729_150_178, 579_800_260, 447_109_222, 331_970_184, 222_532_608, 146_775_778],
    },
    remaining: {
      parameters: [5_709_003, 3_760_980, 1_898_535, 739_292, 204_364, 43_008],
      macs: [729_150_178, 480_985_002, 241_586_494, 93_549_304, 25_216_844, 4_929_312],
    },
  },
} as const;

const PERCENTAGES = [10, 20, 30, 40, 50, 60];
const bounds = { minFilters: 1, roundTo: 1 };

for (const [name, { groups, ...tables }] of Object.entries(EXPECTED)) {
  test.serial(`${name} has ${groups} groups`, t => {
    const model = build(name);
    t.is(couplingGraph(model).groups.length, groups);
    model.dispose();
  });

  test.serial(`${name} at 10..60 % has the published parameters and MACs`, t => {
    const model = build(name);
    const graph = couplingGraph(model);
    for (const schedule of ['original', 'remaining'] as const) {
      const counts = plannedCounts(widthsOf(graph), PERCENTAGES, { ...bounds, percentOf: schedule });
      const sizes = counts.map(each => sizesOf(model, graph, firstChannels(graph, each)));
      t.deepEqual(
        sizes.map(({ parameters }) => parameters),
        [...tables[schedule].parameters],
      );
      t.deepEqual(
        sizes.map(({ macs }) => macs),
        [...tables[schedule].macs],
      );
    }
    model.dispose();
  });

  test.serial(`${name}: what is counted is what surgery leaves`, t => {
    const model = build(name);
    const graph = couplingGraph(model);
    const [counts] = plannedCounts(widthsOf(graph), [40], { ...bounds, percentOf: 'original' });
    const alive = firstChannels(graph, counts!);
    const smaller = removeChannels(model, graph, alive);
    const { layers: _, ...planned } = sizesOf(model, graph, alive);
    const { layers: __, activationBytes: ___, ...left } = summary(smaller);
    t.deepEqual(planned, left);
    model.dispose();
    smaller.dispose();
  });
}

/** Residual outputs and concatenations left alone: the other policy of the published tables. */
function excluded(graph: CouplingGraph, keep: (members: readonly string[]) => boolean): string[] {
  return graph.groups
    .map(({ members }) => members.map(({ layer }) => layer))
    .filter(members => !keep(members))
    .map(members => members[0]!);
}

for (const [name, keep, expected] of [
  [
    'resnet101',
    (members: readonly string[]) => members.length === 1,
    [36_729_110, 31_213_769, 26_249_802, 21_593_037, 17_342_250, 13_654_262],
  ],
  [
    'denseNet121',
    (members: readonly string[]) => /conv1$/.test(members[0]!),
    [6_376_218, 5_747_798, 5_119_378, 4_490_958, 3_862_538, 3_282_458],
  ],
] as const) {
  test.serial(`${name} with its skip connections excluded has the published parameters`, t => {
    const model = build(name);
    const exclude = excluded(couplingGraph(model), keep);
    const graph = couplingGraph(model, { exclude });
    const counts = plannedCounts(widthsOf(graph), PERCENTAGES, { ...bounds, percentOf: 'original' });
    t.deepEqual(
      counts.map(each => sizesOf(model, graph, firstChannels(graph, each)).parameters),
      [...expected],
    );
    model.dispose();
  });
}

test.serial('MobileNetV2 ties a depthwise convolution to the one before it, a stage to its shortcuts', t => {
  const model = build('mobileNetV2');
  const groups = couplingGraph(model).groups.map(({ members }) => members.map(({ layer }) => layer));
  const sizes = groups.map(({ length }) => length).sort((a, b) => a - b);
  // Alone: stem and head. Two: 17 hidden, stages 1 and 7. Three: stages 2, 3 and 6. Four: stages 4 and 5.
  t.deepEqual(sizes, [1, 1, ...new Array(19).fill(2), 3, 3, 3, 4, 4]);
  model.dispose();
});

test.serial('ResNet101 ties the 4, 5, 24 and 4 convolutions that end in the same sums', t => {
  const model = build('resnet101');
  const sizes = couplingGraph(model).groups.map(({ members, width }) => [members.length, width]);
  t.deepEqual(
    sizes.filter(([members]) => members! > 1),
    [
      [4, 256],
      [5, 512],
      [24, 1024],
      [4, 2048],
    ],
  );
  model.dispose();
});

/** Float32 over a hundred layers; a wrong index is off by the output itself. */
const FLOAT32 = 1e-5;

const small = { width: 0.25, activation: 'pau' };
for (const [name, options] of [
  ['lenet', { activation: 'pau' }],
  ['vggMnist', small],
  ['vgg8', small],
  ['mobileNetV2', small],
  ['resnet18', small],
  ['resnet50', small],
  ['denseNet121', small],
  ['mobileNetV2', { width: 0.25, activation: 'maxout' }],
  ['resnet18', { width: 0.25, activation: 'maxout' }],
  ['vgg8', { width: 0.25, activation: { name: 'pau', shared: 'channel' } }],
  ['vgg8', { width: 0.25, activation: { name: 'pau', shared: { groups: 4 } } }],
  ['resnet18', { width: 0.25, activation: { name: 'pau', shared: { groups: 2 } } }],
  ['denseNet121', { width: 0.25, activation: { name: 'pau', shared: 'channel' } }],
  ['lenet', { activation: 'rpau' }],
  ['vgg8', { width: 0.25, activation: 'srelu' }],
] as const) {
  const activation =
    typeof options.activation === 'string' ? options.activation : JSON.stringify(options.activation);
  torchTest(`${name} with ${activation}: pruned equals masked`, t => {
    const make = () => settled(build(name, options));
    const graph = couplingGraph(make());
    const off = difference(make, graph, someAlive(graph, 0.4, 1));
    t.true(off <= FLOAT32, `${off}`);
  });
}

/** What each criterion removes of each architecture, for as long as it takes to build them. */
for (const name of ['lenet', 'vggMnist', 'vgg8', 'mobileNetV2', 'resnet18', 'resnet101', 'denseNet121']) {
  torchTest(`${name}: pruned equals masked for what each criterion removes`, async t => {
    const narrow = name === 'lenet' ? { activation: 'pau' } : { activation: 'pau', width: 0.125 };
    const make = () => settled(build(name, narrow));
    const model = make();
    const graph = couplingGraph(model);
    const [counts] = plannedCounts(widthsOf(graph), [40], { ...bounds, percentOf: 'original' });
    const shape = model.inputs[0]!.shape.slice(1) as number[];
    const taylor = await taylorScores(model, graph, randomImages(shape), { batchSize: 4, seed: 1 });
    const chosen = new Set<string>();
    for (const criterion of CRITERIA) {
      if (criterion === 'bn-scale' && !graph.groups.every(({ followers }) => followers.some(isNorm)))
        continue;
      const scores = channelScores(model, graph, { criterion, aggregation: 'mean', seed: 1, taylor });
      const selection = selectByLayer(graph, scores, counts!);
      const off = difference(make, graph, aliveChannels(graph, selection));
      t.true(off <= FLOAT32, `${criterion}: ${off}`);
      chosen.add(selection.join());
    }
    t.true(chosen.size > 4, 'they choose differently');
    model.dispose();
  });
}

torchTest('ResNet101 in full width with PAU: pruned equals masked', t => {
  const make = () => settled(build('resnet101', { activation: 'pau' }));
  const graph = couplingGraph(make());
  const off = difference(make, graph, someAlive(graph, 0.3, 2));
  t.true(off <= FLOAT32, `${off}`);
});

const isNorm = (layer: string) => /bn|norm/.test(layer);

/** Eight noisy images of two classes. */
function randomImages([height, width, channels]: readonly number[]): Dataset {
  const data = [0, 1].map(cls => noise(4 * height! * width! * channels!, 1, cls));
  const dataset = {
    async *train() {
      for (const values of data) {
        const images = tf.tensor4d(values, [4, height!, width!, channels!]);
        yield { images, labels: tf.tensor1d([0, 1, 2, 3], 'int32') };
      }
    },
  };
  return dataset as unknown as Dataset;
}

/** Random statistics and affine weights; convolutions stay as they were drawn, so that a deep network's output is finite. */
function settled(model: layers.LayersModel): layers.LayersModel {
  return shuffled(model, 1, weight => /gamma|beta|mean|variance|numerator/.test(weight));
}
