import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { pau, zoo } from '../../src/index.js';
import { applyTraining, releaseTapeGoingBack } from '../../src/training/frugalPass.js';
import { hasTorch } from '../support/engine.js';

type Apply = (model: layers.LayersModel, x: tf.Tensor) => tf.Tensor;

/** Gradients of every weight by one pass or the other, and how many tensors it held when forward and backward came to their ends. */
function pass(model: layers.LayersModel, x: tf.Tensor, apply: Apply, atTheEndOfForward: () => void) {
  const before = tf.memory().numTensors;
  const held = { forward: 0, backward: 0 };
  const count = () => tf.memory().numTensors - before;
  const last = model.layers.at(-1)!;
  const call = last.call;
  last.call = (...parameters) => {
    held.forward = count();
    return call.apply(last, parameters);
  };
  const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable);
  const gradients = tf.tidy(() => {
    const { grads } = tf.variableGrads(() => {
      const loss = tf.mean(tf.square(apply(model, x))) as tf.Scalar;
      atTheEndOfForward();
      for (const node of tf.engine().state.activeTape) {
        const { gradient } = node;
        node.gradient =
          gradient &&
          (dys => {
            held.backward = count(); // the last call is the first layer's
            return gradient(dys);
          });
      }
      return loss;
    }, variables);
    return variables.map(({ name }) => grads[name]!.dataSync());
  });
  last.call = call;
  return { gradients, held, left: count() };
}

const plainly: Apply = (model, x) => model.apply(x, { training: true }) as tf.Tensor;

const networks: Record<string, () => layers.LayersModel> = {
  'branches and sums (ResNet)': () => zoo.resnet18({ activation: pau(), width: 0.0625, seed: 1 }),
  'concatenations (DenseNet)': () => zoo.denseNet121({ activation: 'relu', width: 0.125, seed: 1 }),
  'a layer used twice': () => {
    const image = layers.input({ shape: [32, 32, 3] });
    const twice = layers.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' });
    const first = twice.apply(image) as layers.SymbolicTensor;
    const second = twice.apply(layers.layers.reLU().apply(first)) as layers.SymbolicTensor;
    const sum = layers.layers.add().apply([first, second, image]) as layers.SymbolicTensor;
    return layers.model({ inputs: image, outputs: layers.layers.reLU().apply(sum) as layers.SymbolicTensor });
  },
};

for (const [name, make] of Object.entries(networks)) {
  (hasTorch ? test.serial : test.serial.skip)(
    `the same gradients, bit for bit, with less held: ${name}`,
    t => {
      const model = make();
      const x = tf.randomNormal([2, 32, 32, 3], 0, 1, 'float32', 7);
      const plain = pass(model, x, plainly, () => undefined);
      const frugal = pass(model, x, applyTraining, releaseTapeGoingBack);
      frugal.gradients.forEach((gradient, i) => {
        t.true(
          gradient.every((value, at) => Object.is(value, plain.gradients[i]![at])),
          `weight ${i}`,
        );
      });
      t.true(frugal.held.forward < 0.9 * plain.held.forward, JSON.stringify([frugal.held, plain.held]));
      t.true(frugal.held.backward < 0.8 * plain.held.backward, JSON.stringify([frugal.held, plain.held]));
      t.deepEqual([frugal.left, plain.left], [0, 0]);
      x.dispose();
      model.dispose();
    },
  );
}

test.serial(
  'a gradient that is passed on to several inputs as it is stays until the last of them is done',
  t => {
    const twice = tf.customGrad((...inputs) => {
      const [a, b] = inputs as unknown as [tf.Tensor, tf.Tensor];
      return { value: tf.add(a, b), gradFunc: (dy: tf.Tensor) => [dy, dy] };
    });
    const gradients = tf.tidy(() => {
      const variables = [tf.variable(tf.tensor1d([1, 2])), tf.variable(tf.tensor1d([3, 4]))];
      const { grads } = tf.variableGrads(() => {
        const [a, b] = variables.map(variable => tf.mul(variable, 3));
        const loss = tf.sum(tf.square(twice(a!, b!))) as tf.Scalar;
        releaseTapeGoingBack();
        return loss;
      }, variables);
      const values = variables.map(({ name }) => [...grads[name]!.dataSync()]);
      tf.dispose(variables);
      return values;
    });
    // d/da (3a + 3b)^2 = 6 (3a + 3b)
    t.deepEqual(gradients, [
      [72, 108],
      [72, 108],
    ]);
  },
);

test.serial('a gradient that was computed and saved in the forward pass is passed on', t => {
  const squared = tf.customGrad((...inputs) => {
    const [x, save] = inputs as unknown as [tf.Tensor, tf.GradSaveFunc];
    save([tf.mul(x, 2)]);
    return { value: tf.sum(tf.square(x)), gradFunc: (_: tf.Tensor, saved: tf.Tensor[]) => saved[0]! };
  });
  const gradient = tf.tidy(() => {
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const { grads } = tf.variableGrads(() => {
      const loss = squared(tf.mul(variable, 3)) as tf.Scalar;
      releaseTapeGoingBack();
      return loss;
    }, [variable]);
    const values = [...grads[variable.name]!.dataSync()];
    variable.dispose();
    return values;
  });
  t.deepEqual(gradient, [18, 36]);
});
