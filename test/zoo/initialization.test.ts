import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test, { type ExecutionContext } from 'ava';
import { zoo } from '../../src/index.js';
import { HeNormal } from '../../src/initializers.js';
import '../support/engine.js'; // chooses the engine before the first network is built
import { noise } from '../support/fixture.js';

function weightOf(model: layers.LayersModel, layer: string, index = 0): Float32Array {
  return model.getLayer(layer).getWeights()[index]!.dataSync() as Float32Array;
}

function deviationIs(t: ExecutionContext, what: string, values: Float32Array, expected: number): void {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const share = Math.sqrt(variance) / expected;
  t.true(Math.abs(share - 1) < 5 / Math.sqrt(2 * values.length), `${what}: ${share} of ${expected}`);
  t.true(Math.abs(mean) < (5 * expected) / Math.sqrt(values.length), `${what}: mean ${mean}`);
}

test('kuangliu’s networks start uniform, as PyTorch does by itself: deviation 1 / √(3 · fan in)', t => {
  const model = zoo.mobileNetV2({ activation: 'relu' });
  deviationIs(t, 'expand', weightOf(model, 'block3/expand/conv'), 1 / Math.sqrt(3 * 24));
  deviationIs(t, 'depthwise', weightOf(model, 'block3/depthwise/conv'), 1 / Math.sqrt(3 * 9));
  deviationIs(t, 'logits', weightOf(model, 'logits'), 1 / Math.sqrt(3 * 1280));
  model.dispose();
});

test("torchvision's MobileNetV2 starts normal by fan out, its classifier with deviation 0.01 and no bias", t => {
  const model = zoo.mobileNetV2({ activation: 'relu', variant: 'imagenet' });
  deviationIs(t, 'expand', weightOf(model, 'block3/expand/conv'), Math.sqrt(2 / 144));
  deviationIs(t, 'depthwise', weightOf(model, 'block3/depthwise/conv'), Math.sqrt(2 / (144 * 9)));
  deviationIs(t, 'logits', weightOf(model, 'logits'), 0.01);
  t.true(weightOf(model, 'logits', 1).every(value => value === 0));
  model.dispose();
});

test("torchvision's ResNet starts normal by fan out, its DenseNet by fan in", t => {
  const fans = { in: 9 * 16, out: 9 * 64 };
  for (const fan of ['in', 'out'] as const) {
    const initializer = new HeNormal({ fan, kernel: 'dense', seed: 1, stream: 'x' });
    const values = initializer.apply([3, 3, 16, 64]).dataSync() as Float32Array;
    deviationIs(t, fan, values, Math.sqrt(2 / fans[fan]));
  }
  const fanOf = (model: layers.LayersModel) => {
    const { kernelInitializer } = model.getLayer('stem/conv').getConfig() as {
      kernelInitializer: { config: { fan: string } };
    };
    model.dispose();
    return kernelInitializer.config.fan;
  };
  t.is(fanOf(zoo.resnet18({ activation: 'relu', variant: 'imagenet' })), 'out');
  t.is(fanOf(zoo.denseNet121({ activation: 'relu', variant: 'imagenet' })), 'in');
});

test('a layer’s weights depend on seed and name, not on what else is built', t => {
  const first = zoo.mobileNetV2({ activation: 'pau', seed: 3 });
  const narrow = zoo.mobileNetV2({ activation: 'relu', seed: 3, width: { head: 64 } });
  const other = zoo.mobileNetV2({ activation: 'pau', seed: 4 });
  const layer = 'block9/project/conv';
  t.deepEqual(weightOf(narrow, layer), weightOf(first, layer));
  t.notDeepEqual(weightOf(other, layer), weightOf(first, layer));
  for (const model of [first, narrow, other]) model.dispose();
});

for (const name of ['mobileNetV2', 'denseNet121', 'resnet18']) {
  test(`${name} survives JSON: the copy calculates the same`, async t => {
    const options = { activation: 'relu', variant: 'imagenet', inputShape: [32, 32, 3] } as const;
    const model = zoo.create(name, options);
    const copy = await layers.models.modelFromJSON(JSON.parse(model.toJSON() as string));
    const images = tf.tensor4d(noise(2 * 3072, 1, 1), [2, 32, 32, 3]);
    // Not even its weights are copied: the config draws them again.
    const [ours, theirs] = [model, copy].map(each => (each.predict(images) as tf.Tensor).dataSync());
    t.is(ours!.length, 2000);
    t.deepEqual(theirs, ours);
    t.deepEqual(
      copy.layers.map(layer => layer.name),
      model.layers.map(layer => layer.name),
    );
    tf.dispose(images);
    model.dispose();
    copy.dispose();
  });
}
