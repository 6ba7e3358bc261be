/** The networks that every published format must reproduce: each architecture, each activation, each way of padding. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import * as layers from '@tensorflow/tfjs-layers';
import { type VariantOptions, zoo } from '../../src/index.js';
import { noise } from '../support/fixture.js';

const ACTIVATIONS = [
  'pau',
  'rpau',
  'relu',
  'relu6',
  'lrelu:0.2',
  'rrelu',
  'prelu',
  'elu',
  'celu',
  'celu:0.5',
  'swish',
  'swish:2',
  'maxout',
  'maxout:3',
  'mixture',
  'slaf',
  'apl',
  'srelu',
] as const;

/** Versions and sharing of coefficients; `'A'` has no bound of its own. */
const RATIONALS: readonly VariantOptions['activation'][] = [
  { name: 'rational', version: 'A' },
  { name: 'rational', version: 'B' },
  { name: 'rational', version: 'C' },
  { name: 'rational', version: 'D' },
  { name: 'pau', shared: 'channel' },
  { name: 'pau', shared: { groups: 3 } },
  { name: 'pau', shared: 'network' },
  { name: 'pau', order: [3, 2], form: 'unsafe' },
  { name: 'mixture', combination: 'linear' },
];

const small = { width: 0.25 } as const;
const photo = { ...small, variant: 'imagenet', inputShape: [64, 64, 3], classes: 12 } as const;

/** Name -> network with weights of all sizes; the caller disposes it. */
export const NETWORKS: Readonly<Record<string, () => LayersModel>> = Object.fromEntries([
  ...[...ACTIVATIONS, ...RATIONALS].map(activation => [
    `lenet with ${typeof activation === 'string' ? activation : JSON.stringify(activation)}`,
    () => trained(zoo.lenet({ activation: activation! })),
  ]),
  ...['vggMnist', 'vgg8', 'mobileNetV2', 'resnet18', 'resnet50', 'denseNet121'].flatMap(name =>
    ['pau', 'maxout'].map(activation => [
      `${name} with ${activation}`,
      () => trained(zoo.create(name, { activation, ...small })),
    ]),
  ),
  ...['resnet34', 'resnet101', 'resnet152', 'denseNet169', 'denseNet201'].map(name => [
    name,
    () => trained(zoo.create(name, { activation: 'pau', width: 0.1 })),
  ]),
  ...['mobileNetV2', 'resnet18', 'resnet50', 'denseNet121'].map(name => [
    `${name} for ImageNet`,
    () => trained(zoo.create(name, { activation: { name: 'pau', shared: 'channel' }, ...photo })),
  ]),
  ['layers of tfjs itself', stockLayers],
  ['layers that the zoo has not', otherLayers],
]);

/** The same without networks that differ from another one in depth alone: what differs between them, graph/ is tested with. */
export const DISTINCT: typeof NETWORKS = Object.fromEntries(
  Object.entries(NETWORKS).filter(([name]) => !/^(resnet34|resnet152|denseNet169|denseNet201)$/.test(name)),
);

/** Weights as training might leave them: every one changed by up to a quarter, offsets and statistics off their start. */
function trained(model: LayersModel): LayersModel {
  const changed = model.weights.map((weight, i) => {
    const values = weight.read();
    if (values.dtype !== 'float32') return values;
    const u = tf.tensor(noise(values.size, 1, i / 7), values.shape);
    const offset = /bias|beta|mean$/.test(weight.originalName) ? 0.2 : 0;
    return tf.add(tf.mul(values, tf.add(1, tf.mul(u, 0.25))), tf.mul(u, offset));
  });
  model.setWeights(changed);
  return model;
}

/** TensorFlow's own padding at stride 2, fused activations, a shared layer, a flatten that several read. */
function stockLayers(): LayersModel {
  const {
    conv2d,
    depthwiseConv2d,
    batchNormalization,
    maxPooling2d,
    dense,
    flatten,
    add,
    multiply,
    dropout,
    concatenate,
    activation,
  } = layers.layers;
  const image = layers.input({ shape: [11, 14, 3], name: 'image' });
  const shared = conv2d({ name: 'shared', filters: 3, kernelSize: 3, padding: 'same', activation: 'elu' });
  const twice = shared.apply(shared.apply(image)) as layers.SymbolicTensor;
  const down = conv2d({
    name: 'down',
    filters: 6,
    kernelSize: [4, 3],
    strides: [2, 2],
    padding: 'same',
  }).apply(twice);
  const wide = conv2d({ name: 'wide', filters: 6, kernelSize: 3, dilationRate: 2, padding: 'same' }).apply(
    down,
  );
  const deep = depthwiseConv2d({
    name: 'deep',
    kernelSize: 3,
    depthMultiplier: 2,
    padding: 'same',
    activation: 'tanh',
  }).apply(wide);
  const both = concatenate({ name: 'both' }).apply([deep, down] as layers.SymbolicTensor[]);
  const norm = batchNormalization({ name: 'norm', epsilon: 0.01 }).apply(both);
  const pool = maxPooling2d({ name: 'pool', poolSize: 3, strides: 2, padding: 'same' }).apply(norm);
  const flat = flatten({ name: 'flat' }).apply(
    dropout({ name: 'drop', rate: 0.5 }).apply(pool),
  ) as layers.SymbolicTensor;
  const left = dense({ name: 'left', units: 5, activation: 'relu' }).apply(flat);
  const right = dense({ name: 'right', units: 5, activation: 'sigmoid' }).apply(
    activation({ name: 'act', activation: 'tanh' }).apply(flat),
  );
  const sum = add({ name: 'sum' }).apply([left, right] as layers.SymbolicTensor[]);
  const product = multiply({ name: 'product' }).apply([sum, left] as layers.SymbolicTensor[]);
  const logits = dense({ name: 'logits', units: 4, activation: 'softmax' }).apply(
    product,
  ) as layers.SymbolicTensor;
  return trained(layers.model({ name: 'stock', inputs: image, outputs: logits }));
}

/** Layers that the zoo has not: an average over TensorFlow's padding, enlarged images, separable convolutions, slopes. */
function otherLayers(): LayersModel {
  const { averagePooling2d, upSampling2d, separableConv2d, prelu, reshape, dense, add } = layers.layers;
  const image = layers.input({ shape: [11, 14, 3], name: 'image' });
  const apart = separableConv2d({
    name: 'apart',
    filters: 5,
    kernelSize: [3, 4],
    strides: [2, 2],
    depthMultiplier: 2,
    padding: 'same',
    activation: 'elu',
  }).apply(image);
  const bent = prelu({ name: 'bent', sharedAxes: [1, 2] }).apply(apart);
  const small = averagePooling2d({ name: 'small', poolSize: [3, 2], strides: [2, 2], padding: 'same' }).apply(
    bent,
  );
  const large = upSampling2d({ name: 'large', size: [2, 3] }).apply(small);
  const plain = separableConv2d({ name: 'plain', filters: 4, kernelSize: 3, useBias: false }).apply(large);
  const vector = reshape({ name: 'vector', targetShape: [4 * 10 * 4] }).apply(plain) as layers.SymbolicTensor;
  const left = dense({ name: 'left', units: 6 }).apply(vector);
  const right = prelu({ name: 'right' }).apply(dense({ name: 'other', units: 6 }).apply(vector));
  const logits = add({ name: 'logits' }).apply([
    left,
    right,
  ] as layers.SymbolicTensor[]) as layers.SymbolicTensor;
  return trained(layers.model({ name: 'others', inputs: image, outputs: logits }));
}

/** `[batch, h, w, c]`, the same whenever it is asked for. */
export function imagesFor(model: LayersModel, batch = 2): tf.Tensor {
  const shape = [batch, ...(model.inputs[0]!.shape.slice(1) as number[])];
  return tf.tensor(noise(tf.util.sizeFromShape(shape), 1, 3), shape);
}
