import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { type Activation, OptionsError, summary, zoo } from '../../src/index.js';
import '../support/engine.js'; // chooses the engine before the first network is built

/** max over k consecutive channels; the zoo only reads what an activation asks of the layer before it. */
class MaxOfPieces extends layers.layers.Layer {
  static readonly className = 'MaxOfPieces';
  constructor(readonly args: { name: string; k: number }) {
    super(args);
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = (Array.isArray(inputs) ? inputs[0] : inputs)!;
    const { k } = this.args;
    return tf.tidy(() => tf.max(tf.reshape(x, [...x.shape.slice(0, -1), x.shape.at(-1)! / k, k]), -1));
  }
  override computeOutputShape(shape: layers.Shape): layers.Shape {
    return [...shape.slice(0, -1), shape.at(-1)! / this.args.k];
  }
}
const maxout = (k: number): Activation => ({
  kind: `maxout ${k}`,
  config: { name: 'maxout', k },
  layer: name => new MaxOfPieces({ name, k }),
  filtersFactor: k,
  placement: 'before-normalization',
});

/** Molina et al., Table 3, k = 2; multiply-accumulates and numbers of sites from PyTorch models of the same counts. */
const MAXOUT = [
  ['vgg8', 7_829_642, 135_664_640, 5],
  ['mobileNetV2', 3_524_506, 143_172_096, 36],
  ['resnet101', 75_454_090, 4_466_298_880, 71],
] as const;
for (const [name, parameters, macs, sites] of MAXOUT) {
  test(`${name} with Maxout has the paper's ${parameters} parameters, ${macs} multiply-accumulates, ${sites} sites`, t => {
    const model = zoo.create(name, { activation: maxout(2) });
    const measured = summary(model);
    t.is(measured.parameters, parameters);
    t.is(measured.macs, macs);
    t.is(model.layers.filter(layer => layer.getClassName() === 'MaxOfPieces').length, sites);
    model.dispose();
  });
}

test('the pieces of a depthwise channel see the same input channel', t => {
  const model = zoo.mobileNetV2({ activation: maxout(2) });
  const before = model.getLayer('block2/depthwise/conv');
  t.deepEqual(before.weights[0]!.shape, [3, 3, 96, 2]);
  model.dispose();
});

test('a network that lost 30 % of its filters is a config: VGG8 with 45, 90, 180, 359 and 359 filters', t => {
  // 30 % of each width, rounded down, is gone; the count was worked out by hand.
  const width = { conv1: 45, conv2: 90, conv3: 180, conv4: 359, conv5: 359 };
  const model = zoo.vgg8({ activation: 'relu', width });
  t.is(summary(model).parameters, 1_931_673);
  model.dispose();
});

test('layers that an addition ties share a group: half of stage 2 in ResNet18', t => {
  const model = zoo.resnet18({ activation: 'relu', width: { stage2: 64 } });
  for (const layer of ['stage2/block1/conv2', 'stage2/block1/shortcut/conv', 'stage2/block2/conv2']) {
    t.is((model.getLayer(layer).outputShape as number[]).at(-1), 64, layer);
  }
  t.is((model.getLayer('stage2/block2/conv1').outputShape as number[]).at(-1), 128);
  model.dispose();
});

for (const [name, of] of [
  ['vgg8', 3_918_858],
  ['mobileNetV2', 2_296_922],
  ['denseNet121', 6_956_298],
] as const) {
  test(`${name} at width 0.5 has about a quarter of the parameters`, t => {
    const model = zoo.create(name, { activation: 'relu', width: 0.5 });
    const share = summary(model).parameters / of;
    t.true(share > 0.24 && share < 0.27, String(share));
    model.dispose();
  });
}

test('an unknown group is refused with the known ones, and what was built is disposed', t => {
  const before = tf.memory().numTensors;
  t.throws(() => zoo.vgg8({ width: { conv9: 3 } }), {
    instanceOf: OptionsError,
    message: /zoo\.vgg8: width has no group conv9, expected one of conv1, conv2, conv3, conv4, conv5/,
  });
  t.is(tf.memory().numTensors, before);
});

test('images that are too small are refused with the layer that has nothing left', t => {
  t.throws(() => zoo.lenet({ inputShape: [28, 28, 1] }), {
    instanceOf: OptionsError,
    message: /zoo\.lenet: nothing is left of images \[28, 28, 1\] behind 'conv3'/,
  });
});

test('ImageNet variants take other sizes, and CIFAR networks other classes', t => {
  const model = zoo.resnet18({
    variant: 'imagenet',
    inputShape: [64, 96, 3],
    classes: 7,
    activation: 'relu',
  });
  t.deepEqual(model.inputs[0]!.shape, [null, 64, 96, 3]);
  t.deepEqual(model.outputs[0]!.shape, [null, 7]);
  model.dispose();
  t.throws(() => zoo.create('vgg8', { variant: 'imagenet' }), {
    instanceOf: OptionsError,
    message: /zoo\.vgg8: no option variant/,
  });
});
