/** The ranges of inputs that a manifest tells: what the images of the proof show, and what training saw. */
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { snapshotActivations, zoo } from '../../src/index.js';
import { RangeWatch } from '../../src/publish/ranges.js';
import '../support/engine.js';

test.serial('the range that training saw is joined to that of the proof, layer by layer', async t => {
  const model = zoo.lenet({ activation: 'pau', seed: 1 });
  const watch = new RangeWatch(model, new Map(model.layers.map(({ name }) => [name, name])));
  const seen: Record<string, [number, number]> = { conv1: [-1, 1], conv2: [-1e6, 2], conv3: [0, 1e6] };
  for (const [node, ends] of Object.entries(seen)) watch.look(node, tf.tensor1d(ends));
  const trained = await snapshotActivations(model, tf.randomNormal([4, 32, 32, 1], 0, 20, 'float32', 1));
  const { inputs } = trained[0]!;
  t.true(inputs.min < -1 && inputs.max > 1, 'or the test shows nothing');
  const ranges = watch.ranges(trained.map(({ layer, inputs: { min, max } }) => ({ layer, min, max })));
  t.deepEqual(
    ranges.map(({ layer }) => layer),
    ['act1', 'act2', 'act3'],
    'act4 was not seen in the proof',
  );
  t.deepEqual(ranges[0], { layer: 'act1', min: inputs.min, max: inputs.max });
  t.is(ranges[1]!.min, -1e6);
  t.is(ranges[1]!.max, Math.max(2, trained[1]!.inputs.max));
  t.is(ranges[2]!.max, 1e6);
  model.dispose();
});
