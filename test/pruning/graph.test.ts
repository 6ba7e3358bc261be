import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { couplingGraph, UnsupportedLayerError } from '../../pruning/graph.js';
import { OptionsError, zoo } from '../../src/index.js';
import '../support/engine.js';
import * as models from './models.js';

/** Members / followers / readers and width of each group, by hand. */
type Expected = readonly [members: string, followers: string, readers: string, width: number];

const groupsOf = (model: layers.LayersModel, exclude: (string | RegExp)[] = []): Expected[] =>
  couplingGraph(model, { exclude }).groups.map(({ members, followers, consumers, width }) => [
    members.map(({ layer }) => layer).join(' '),
    followers.join(' '),
    consumers.join(' '),
    width,
  ]);

const EXPECTED: Record<keyof typeof models.networks, Expected[]> = {
  chain: [
    ['a', 'norm', 'b', 5],
    ['b', 'prelu', 'hidden', 7],
  ],
  residual: [
    ['stem', 'stem_norm', 'first_1 project', 6],
    ['first_1', 'first_norm1', 'first_2', 5],
    ['project first_2 second_2', 'project_norm first_norm2 second_norm2', 'second_1 logits', 9],
    ['second_1', 'second_norm1', 'second_2', 5],
  ],
  depthwise: [
    ['expand depthwise double', 'expand_norm depthwise_norm separable', 'separable', 6],
    ['separable', '', 'logits', 7],
  ],
  dense: [
    ['stem', 'one_norm two_norm mid_norm', 'one_conv two_conv mid_conv', 4],
    ['one_conv', 'two_norm mid_norm', 'two_conv mid_conv', 3],
    ['two_conv', 'mid_norm', 'mid_conv', 3],
    ['mid_conv', 'three_norm end_norm', 'three_conv logits', 5],
    ['three_conv', 'end_norm', 'logits', 3],
  ],
  seams: [
    ['left_a left_b right_a right_b', '', 'last', 5],
    ['last', '', 'logits', 4],
  ],
  repeated: [
    ['first', '', 'second', 4],
    ['second shared', '', 'shared logits', 4],
  ],
  gated: [
    ['wide excite', '', 'reduce logits', 6],
    ['reduce', '', 'excite', 3],
  ],
};

const sorted = (groups: readonly Expected[]) =>
  groups
    .map(([members, followers, readers, width]) =>
      [members, followers, readers].map(names => names.split(' ').sort().join(' ')).concat(String(width)),
    )
    .sort();

for (const [name, expected] of Object.entries(EXPECTED)) {
  test.serial(`${name}: ${expected.length} groups, as counted by hand`, t => {
    const groups = groupsOf(models.networks[name as keyof typeof models.networks]());
    t.deepEqual(sorted(groups), sorted(expected));
  });
}

test.serial('LeNet has three groups, each read by the next layer', t => {
  t.deepEqual(groupsOf(zoo.lenet({ activation: 'relu' })), [
    ['conv1', '', 'conv2', 6],
    ['conv2', '', 'conv3', 16],
    ['conv3', '', 'dense1', 120],
  ]);
});

test.serial('the filters of a convolution are the channels of its group in order', t => {
  const { groups } = couplingGraph(models.seams());
  const channels = Object.fromEntries(groups[0]!.members.map(member => [member.layer, [...member.channels]]));
  t.deepEqual(channels, { left_a: [0, 1], left_b: [2, 3, 4], right_a: [0, 1, 2, 3], right_b: [4] });
});

test.serial('a multiplied depthwise convolution has several filters a channel', t => {
  const { groups } = couplingGraph(models.depthwise());
  const double = groups[0]!.members.find(({ layer }) => layer === 'double')!;
  t.deepEqual([...double.channels], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
});

test.serial('after a flatten, input p·C + c is channel c', t => {
  const graph = couplingGraph(models.chain());
  const hidden = graph.layers.find(({ layer }) => layer === 'hidden')!;
  const { first } = graph.groups[1]!;
  t.deepEqual(
    [...hidden.axes[0]!.channels],
    Array.from({ length: 9 * 7 }, (_, i) => first + (i % 7)),
  );
});

const conv = (name: string, filters = 4) => layers.layers.conv2d({ name, filters, kernelSize: 3 });
const permuted = () =>
  layers.sequential({
    layers: [
      layers.layers.conv2d({ name: 'conv', filters: 4, kernelSize: 3, inputShape: [8, 8, 1] }),
      layers.layers.permute({ dims: [3, 1, 2], name: 'swap' }),
      conv('after'),
      layers.layers.flatten(),
      layers.layers.dense({ units: 2 }),
    ],
  });

test.serial('a layer that pruning does not understand is named, with the way around it', t => {
  const error = t.throws(() => couplingGraph(permuted()), { instanceOf: UnsupportedLayerError });
  t.regex(error!.message, /layer 'swap' \(Permute\).*exclude: \['swap'\]/);
});

test.serial('excluding that layer, or the convolution before it, leaves the rest to be pruned', t => {
  for (const exclude of ['swap', 'conv', /^sw/]) {
    t.deepEqual(
      groupsOf(permuted(), [exclude]).map(([members]) => members),
      ['after'],
    );
  }
});

test.serial('excluding one convolution keeps all that is tied to it', t => {
  t.deepEqual(
    groupsOf(models.residual(), ['project']).map(([members]) => members),
    ['stem', 'first_1', 'second_1'],
  );
});

test.serial('excluding what is not there is an error that lists the layers', t => {
  t.throws(() => groupsOf(zoo.lenet(), ['conv9']), {
    instanceOf: OptionsError,
    message: /no layer 'conv9'.*conv1, /,
  });
});

test.serial('a convolution that makes the output, and one added to the image, keep their filters', t => {
  const input = layers.input({ shape: [8, 8, 3] });
  const same = layers.layers
    .conv2d({ name: 'same', filters: 3, kernelSize: 3, padding: 'same' })
    .apply(input) as layers.SymbolicTensor;
  const sum = layers.layers.add({}).apply([same, input]) as layers.SymbolicTensor;
  const output = conv('answer').apply(sum) as layers.SymbolicTensor;
  const graph = couplingGraph(layers.model({ inputs: input, outputs: output }));
  t.deepEqual(graph.groups, []);
  t.deepEqual(
    graph.fixed.map(group => [group.layers, group.reasons.map(({ kind }) => kind)]),
    [
      [['same'], ['input']],
      [['answer'], ['output']],
    ],
  );
});

test.serial('a softmax over channels inside the network is refused, at the output it is not', t => {
  const network = (...ends: layers.layers.Layer[]) =>
    layers.sequential({
      layers: [
        layers.layers.conv2d({ name: 'conv', filters: 4, kernelSize: 3, inputShape: [8, 8, 1] }),
        ...ends,
      ],
    });
  const soft = layers.layers.activation({ activation: 'softmax', name: 'soft' });
  t.throws(() => couplingGraph(network(soft, layers.layers.flatten(), layers.layers.dense({ units: 2 }))), {
    message: /'soft'.*softmax, which mixes/,
  });
  const classifier = network(
    layers.layers.flatten(),
    layers.layers.dense({ units: 2 }),
    layers.layers.softmax({}),
  );
  t.is(couplingGraph(classifier).groups.length, 1);
});
