/**
 * The networks calculate what PyTorch's do: with the weights of a state dict, logits in inference and in training,
 * running statistics and gradients are PyTorch's in float64 (scripts/make-zoo-fixtures.py).
 */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { ExecutionContext } from 'ava';
import { type Activation, softmaxCrossEntropy, zoo } from '../../src/index.js';
import { largest, within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { fixture, noise } from '../support/fixture.js';
import { type Written, writeSafetensors } from '../support/safetensors.js';

interface Sampled {
  readonly stride: number;
  readonly largest: number;
  readonly sample: readonly number[];
}
interface Reference {
  readonly batch: number;
  readonly inputShape: [number, number, number];
  /** Names and shapes of PyTorch's state dict, in its order. */
  readonly entries: readonly (readonly [string, readonly number[]])[];
  /** With the original activation. */
  readonly inference: readonly number[];
  /** This and the rest: with ELU. */
  readonly training: readonly number[];
  readonly loss: number;
  readonly largestGradient: number;
  readonly gradients: Readonly<Record<string, Sampled>>;
  readonly running: Readonly<Record<string, Sampled>>;
}

/** Without a kink; see the script. */
const elu: Activation = { kind: 'elu', config: { name: 'elu' }, layer: name => layers.layers.elu({ name }) };

const CASES = [
  ['vggMnist', 'cifar'],
  ['vgg8', 'cifar'],
  ['mobileNetV2', 'cifar'],
  ['resnet18', 'cifar'],
  ['resnet101', 'cifar'],
  ['denseNet121', 'cifar'],
  ['mobileNetV2', 'imagenet'],
  ['resnet18', 'imagenet'],
  ['resnet50', 'imagenet'],
  ['denseNet121', 'imagenet'],
] as const;

for (const [name, variant] of CASES) {
  torchTest(`${name} (${variant}) calculates what PyTorch does, in inference and in training`, async t => {
    const suffix = variant === 'imagenet' ? '-imagenet' : '';
    const reference = fixture<Reference>(`zoo-${name}${suffix}`);
    const options = variant === 'imagenet' ? { variant, inputShape: reference.inputShape } : {};
    const from = writeSafetensors(stateDict(reference));
    const model = await zoo.load(name, { ...options, from }); // with the definition's own activation
    inferenceIsEqual(t, model, reference);
    const smooth = await zoo.load(name, {
      ...options,
      activation: elu,
      from: writeSafetensors(numbered(reference)),
    });
    const names = torchNames(smooth, reference);
    smooth.setWeights(model.getWeights());
    trainingIsEqual(t, smooth, names, reference);
    model.dispose();
    smooth.dispose();
  });
}

function imagesOf({ batch, inputShape }: Reference): tf.Tensor4D {
  return tf.tensor4d(noise(batch * tf.util.sizeFromShape(inputShape), 1, 0.5), [batch, ...inputShape]);
}

function inferenceIsEqual(t: ExecutionContext, model: layers.LayersModel, reference: Reference): void {
  const logits = tf.tidy(() => (model.predict(imagesOf(reference)) as tf.Tensor).dataSync());
  const { inference } = reference;
  within(t, 'logits in inference', logits, inference, {
    tolerance: 1e-4,
    scale: Math.min(1, largest(inference)),
  });
}

function trainingIsEqual(
  t: ExecutionContext,
  model: layers.LayersModel,
  names: ReadonlyMap<tf.Variable, string>,
  reference: Reference,
): void {
  const { batch, training, loss, largestGradient } = reference;
  const dropout = model.layers.find(layer => layer.getClassName() === 'KeyedDropout');
  if (dropout) (dropout as unknown as { rate: number }).rate = 0; // its draws are not PyTorch's
  tf.tidy(() => {
    const images = imagesOf(reference);
    const classes = Array.from({ length: batch }, (_, i) => (3 * i) % 10);
    const labels = tf.tensor1d(classes, 'int32');
    const trainable = [...names.keys()].filter(variable => !names.get(variable)!.includes('running'));
    let logits: tf.Tensor | undefined;
    const { value, grads } = tf.variableGrads(() => {
      logits = tf.keep(model.apply(images, { training: true }) as tf.Tensor);
      return softmaxCrossEntropy(logits as tf.Tensor2D, labels);
    }, trainable);
    const scale = Math.min(1, largest(training));
    within(t, 'logits in training', logits!.dataSync(), training, { tolerance: 1e-4, scale });
    within(t, 'loss', value.dataSync(), [loss], { tolerance: 1e-4, scale: 1 });
    for (const [variable, name] of names) {
      const shape = reference.entries.find(([entry]) => entry === name)![1];
      const gradient = reference.gradients[name];
      const running = reference.running[name];
      // Some gradients are 0: of a shift that a later normalisation takes away.
      const floor = 1e-3 * largestGradient;
      if (gradient) matches(t, `gradient of ${name}`, grads[variable.name]!, shape, gradient, floor);
      if (running) matches(t, name, variable, shape, running, 0);
    }
    logits!.dispose();
  });
}

function matches(
  t: ExecutionContext,
  what: string,
  tensor: tf.Tensor,
  shape: readonly number[],
  { sample, stride, largest }: Sampled,
  floor: number,
): void {
  const values = inTorchOrder(tensor, shape).dataSync();
  const ours = sample.map((_, i) => values[i * stride]!);
  within(t, what, ours, sample, { tolerance: 3e-4, scale: Math.max(largest, floor) });
}

/** tfjs's [h, w, in, out] (depthwise [h, w, c, m]) and [in, out] as PyTorch lists them. */
function inTorchOrder(tensor: tf.Tensor, shape: readonly number[]): tf.Tensor {
  if (tensor.rank === 2) return tf.transpose(tensor);
  if (tensor.rank !== 4) return tensor;
  const isDepthwise = shape[1] === 1 && tensor.shape[2] !== 1;
  return tf.transpose(tensor, isDepthwise ? [2, 3, 0, 1] : [3, 2, 0, 1]);
}

function stateDict({ entries }: Reference): Map<string, Written> {
  return new Map(
    entries.map(([name, shape], index) => {
      const kind = name.split('.').at(-1)!;
      const isVector = shape.length === 1;
      const amplitude = isVector
        ? { weight: 0.3, bias: 0.1, running_mean: 0.2, running_var: 0.5 }[kind]!
        : Math.sqrt(3 / shape.slice(1).reduce((product, size) => product * size, 1));
      const values = noise(tf.util.sizeFromShape([...shape]), amplitude, index + 1);
      const isScale = isVector && (kind === 'weight' || kind === 'running_var');
      return [name, { shape, values: isScale ? values.map(value => value + 1) : values }];
    }),
  );
}

/** The state dict with numbers that tell its tensors apart. */
function numbered({ entries }: Reference): Map<string, Written> {
  return new Map(
    entries.map(([name, shape], index) => {
      const values = new Float32Array(tf.util.sizeFromShape([...shape])).fill(index);
      return [name, { shape, values }];
    }),
  );
}

/** Which of PyTorch's tensors went where, in a network that was loaded from `numbered`. */
function torchNames(model: layers.LayersModel, { entries }: Reference): Map<tf.Variable, string> {
  const learned = model.weights.filter(({ dtype }) => dtype === 'float32'); // without a dropout's count of steps
  const variables = learned.map(weight => weight.read() as tf.Variable);
  return new Map(
    variables.map(variable => {
      const [index] = tf.tidy(() => tf.slice(tf.reshape(variable, [-1]), 0, 1).dataSync());
      return [variable, entries[index!]![0]];
    }),
  );
}
