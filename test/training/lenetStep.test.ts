import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { softmaxCrossEntropy, zoo } from '../../src/index.js';
import { Optimizer } from '../../src/training/optimizer.js';
import { Recipe, type RecipeOptions } from '../../src/training/recipe.js';
import { largest, within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { fixture, noise } from '../support/fixture.js';

interface Gradient {
  readonly shape: number[];
  /** Every so many elements are in `sample`. */
  readonly stride: number;
  readonly largest: number;
  readonly sum: number;
  readonly norm: number;
  readonly sample: number[];
}

interface Step {
  readonly loss: number;
  readonly logits: number[];
  readonly gradients: Record<string, Gradient>;
  readonly updated: Record<string, Record<string, number[]>>;
}

const expected = fixture<Record<'pau' | 'relu', Step>>('lenet-step');

const BATCH = 8;
const FAN_IN: Record<string, number> = { conv1: 25, conv2: 150, conv3: 400, dense1: 120, logits: 84 };

/** LeNet with weights by the fixture's formula. */
function lenet(activation: string): LayersModel {
  const model = zoo.lenet({ activation });
  Object.entries(FAN_IN).forEach(([name, fanIn], index) => {
    const layer = model.getLayer(name);
    const amplitude = 1.5 / Math.sqrt(fanIn);
    const values = layer.getWeights().map(({ shape }, i) => {
      return tf.tensor(noise(tf.util.sizeFromShape(shape), amplitude, 2 * index + i), shape);
    });
    layer.setWeights(values);
    tf.dispose(values);
  });
  return model;
}

function gradientsOf(model: LayersModel, variables: readonly tf.Variable[]) {
  return tf.tidy(() => {
    const images = tf.tensor4d(noise(BATCH * 32 * 32, 1, 0.5), [BATCH, 32, 32, 1]);
    const labels = tf.tensor1d(
      Array.from({ length: BATCH }, (_, i) => (3 * i) % 10),
      'int32',
    );
    let logits: Float32Array | undefined;
    const { value, grads } = tf.variableGrads(() => {
      const output = model.apply(images, { training: true }) as tf.Tensor2D;
      logits = output.dataSync() as Float32Array;
      return softmaxCrossEntropy(output, labels);
    }, [...variables]);
    return {
      loss: value.dataSync()[0]!,
      logits: logits!,
      gradients: variables.map(({ name }) => grads[name]!),
    };
  });
}

/** `'conv1/kernel'`, as the fixture names it. */
const nameOf = (variable: tf.Variable) => variable.name.replace(/_\d+$/, '');

const RECIPES: Record<string, RecipeOptions> = {
  adam: { optimizer: { name: 'adam', learningRate: 0.002 } },
  sgd: { optimizer: { name: 'sgd', learningRate: 0.05, momentum: 0.9 } },
};

/** Adam's first step is rate·g/|g|: where g is nearly 0, its sign and size are a matter of rounding. */
const DECIDED = 1e-4;

for (const activation of ['pau', 'relu'] as const) {
  const step = expected[activation];

  torchTest(
    `one LeNet step with ${activation}: loss, logits and all gradients are PyTorch's in float64`,
    t => {
      const model = lenet(activation);
      const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable);
      const { loss, logits, gradients } = gradientsOf(model, variables);
      within(t, 'loss', [loss], [step.loss], { tolerance: 1e-5, scale: step.loss });
      within(t, 'logits', logits, step.logits, { tolerance: 1e-5, scale: largest(step.logits) });
      t.deepEqual(variables.map(nameOf).sort(), Object.keys(step.gradients).sort());
      variables.forEach((variable, i) => {
        const name = nameOf(variable);
        const { shape, stride, sum, norm, sample, ...wanted } = step.gradients[name]!;
        const values = gradients[i]!.dataSync() as Float32Array;
        t.deepEqual(variable.shape, shape, name);
        within(
          t,
          name,
          values.filter((_, at) => at % stride === 0),
          sample,
          { tolerance: 1e-5, scale: wanted.largest },
        );
        const total = values.reduce((a, v) => a + v, 0);
        const magnitudes = values.reduce((a, v) => a + Math.abs(v), 0);
        within(t, `sum of ${name}`, [total], [sum], { tolerance: 1e-5, scale: magnitudes });
        const size = Math.sqrt(values.reduce((a, v) => a + v * v, 0));
        within(t, `norm of ${name}`, [size], [norm], { tolerance: 1e-5, scale: norm });
      });
      tf.dispose(gradients);
      model.dispose();
    },
  );

  for (const [name, recipe] of Object.entries(RECIPES)) {
    torchTest(`the weights after one ${name} step with ${activation} are torch.optim's`, t => {
      const model = lenet(activation);
      const optimizer = new Optimizer(model, Recipe.parse(recipe));
      const { gradients } = gradientsOf(model, optimizer.variables);
      optimizer.apply(gradients, tf.scalar(Recipe.parse(recipe).optimizer.learningRate));
      for (const variable of optimizer.variables) {
        const { stride, sample, ...gradient } = step.gradients[nameOf(variable)]!;
        const decided = (_: number, i: number) => Math.abs(sample[i]!) > DECIDED * gradient.largest;
        const values = Array.from(variable.dataSync()).filter((_, at) => at % stride === 0);
        const wanted = step.updated[name]![nameOf(variable)]!;
        within(t, variable.name, values.filter(decided), wanted.filter(decided), {
          tolerance: 1e-5,
          scale: largest(wanted),
        });
      }
      tf.dispose(gradients);
      optimizer.dispose();
      model.dispose();
    });
  }
}
