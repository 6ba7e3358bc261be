/** Breaks every coupling once and sees the proof of pruning fail: a proof that cannot fail proves nothing. */
import type * as layers from '@tensorflow/tfjs-layers';
import { type CouplingGraph, couplingGraph } from '../../pruning/graph.js';
import { addRule, type Rule, ruleOf } from '../../pruning/rules.js';
import { torchTest } from '../support/engine.js';
import '../support/engine.js';
import { difference, someAlive } from './masked.js';
import { networks } from './models.js';

/** The bound of the proof itself (surgery.test.ts). */
const FLOAT32 = 1e-5;

/** Whether pruning by the broken graph is noticed: it cannot be built, or gives something else. */
function noticed(make: () => layers.LayersModel, broken: CouplingGraph, graph: CouplingGraph): boolean {
  return [1, 2, 3].some(seed => {
    const alive = someAlive(graph, 0.4, seed);
    try {
      return !(difference(make, broken, alive, graph) <= FLOAT32);
    } catch {
      return true;
    }
  });
}

for (const [name, make] of Object.entries(networks)) {
  const graph = couplingGraph(make());
  graph.layers.forEach(({ layer, axes }, at) => {
    axes.forEach(({ weight, axis, role, channels }, index) => {
      if (new Set(channels).size === 1) return; // one channel has no neighbour to be taken for
      torchTest(`${name}: '${layer}' ${role} along axis ${axis} of weight ${weight}, off by one`, t => {
        const moved = channels.map((_, i) => channels[(i + 1) % channels.length]!);
        const wrong = axes.map((entry, i) => (i === index ? { ...entry, channels: moved } : entry));
        const broken = {
          ...graph,
          layers: graph.layers.map((entry, i) => (i === at ? { ...entry, axes: wrong } : entry)),
        };
        t.true(noticed(make, broken, graph));
      });
    });
  });
}

const first: Rule = call => call.inputs[0]!.channels;
/** A rule that is wrong in the way in which one is easily wrong, and the network that shows it. */
const MISTAKES: readonly [what: string, layer: string, network: keyof typeof networks, rule: Rule][] = [
  ['an addition ties nothing', 'Add', 'residual', first],
  ['a multiplication ties nothing', 'Multiply', 'gated', first],
  ['batch normalisation has no channels', 'BatchNormalization', 'chain', first],
  ['PReLU has no channels', 'PReLU', 'chain', first],
  [
    'a concatenation is in the reverse order',
    'Concatenate',
    'dense',
    call => Int32Array.from([...call.inputs].reverse().flatMap(({ channels }) => [...channels])),
  ],
  [
    'a flatten lays out one channel after the other',
    'Flatten',
    'chain',
    call => {
      const { channels, shape } = call.inputs[0]!;
      const positions = shape.slice(0, -1).reduce<number>((product, size) => product * size!, 1);
      return Int32Array.from(
        { length: positions * channels.length },
        (_, i) => channels[Math.floor(i / positions)]!,
      );
    },
  ],
  [
    'a depthwise convolution makes channels of its own',
    'DepthwiseConv2D',
    'depthwise',
    call => {
      call.axis('depthwise_kernel', 2, 'follows', call.inputs[0]!.channels);
      return call.units();
    },
  ],
  [
    'a multiplied depthwise convolution has its channels side by side',
    'DepthwiseConv2D',
    'depthwise',
    call => {
      const { channels } = call.inputs[0]!;
      call.axis('depthwise_kernel', 2, 'follows', channels);
      const outputs = Int32Array.from(
        { length: call.outputShape.at(-1)! },
        (_, i) => channels[i % channels.length]!,
      );
      call.convolution('depthwise_kernel', outputs);
      call.axis('bias', 0, 'follows', outputs);
      return outputs;
    },
  ],
  [
    "a convolution's bias has no channels",
    'Conv2D',
    'chain',
    call => {
      call.axis('kernel', 2, 'reads', call.inputs[0]!.channels);
      const made = call.filters('kernel', 3, 'filters');
      call.convolution('kernel', made);
      return made;
    },
  ],
];

for (const [what, layer, network, rule] of MISTAKES) {
  torchTest(`${network}: ${what}`, t => {
    const make = networks[network];
    const graph = couplingGraph(make());
    const right = ruleOf(layer)!;
    addRule(layer, rule);
    try {
      const broken = couplingGraph(make());
      t.true(noticed(make, broken, broken));
    } catch (error) {
      t.truthy(error);
    } finally {
      addRule(layer, right);
    }
    t.false(noticed(make, graph, graph), 'the right rule is noticed by nothing');
  });
}
