/** Small networks, one for every way in which channels are coupled, with numbers that show a wrong index. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { noise } from '../support/fixture.js';

type Tensor = layers.SymbolicTensor;
type Layer = layers.layers.Layer;

const { layers: make } = layers;
const through = (x: Tensor, ...stack: Layer[]) =>
  stack.reduce((flow, layer) => layer.apply(flow) as Tensor, x);
const conv = (name: string, filters: number, args: object = {}) =>
  make.conv2d({ name, filters, kernelSize: 3, padding: 'same', ...args });
const norm = (name: string) => make.batchNormalization({ name });
/** Not 0 at 0, so that a zeroed filter still speaks. */
const act = (name: string) => make.activation({ name, activation: 'sigmoid' });
const head = (x: Tensor, units = 3) =>
  through(x, make.globalAveragePooling2d({ name: 'gap' }), make.dense({ name: 'logits', units }));
const image = (shape: number[]) => layers.input({ shape, name: 'image' });

function model(name: string, input: Tensor, output: Tensor): layers.LayersModel {
  return shuffled(layers.model({ name, inputs: input, outputs: output }));
}

/** Weights of all sizes and signs; variances positive. */
export function shuffled(
  network: layers.LayersModel,
  phase = 1,
  which: (weight: string) => boolean = () => true,
): layers.LayersModel {
  network.setWeights(
    network.weights.map((weight, i) => {
      if (!which(weight.originalName)) return weight.read();
      const shape = weight.shape as number[];
      const size = tf.util.sizeFromShape(shape);
      const values = noise(size, 1, phase + i / 7);
      const name = weight.originalName;
      const fan = shape.length > 1 ? Math.sqrt(size / shape.at(-1)!) : 1;
      if (/variance/.test(name))
        return tf.tensor(
          values.map(v => 1.1 + v / 2),
          shape,
        );
      // Every channel's own function, near what it was.
      if (/numerator/.test(name))
        return tf.mul(
          weight.read(),
          tf.tensor(
            values.map(v => 1 + v / 4),
            shape,
          ),
        );
      if (/gamma/.test(name))
        return tf.tensor(
          values.map(v => 2 + v),
          shape,
        );
      return tf.tensor(
        values.map(v => (4 * v) / fan),
        shape,
      );
    }),
  );
  return network;
}

/** Convolutions, batch normalisation, a flatten over 3x3 positions, a hidden dense layer. */
export function chain(): layers.LayersModel {
  return shuffled(
    layers.sequential({
      name: 'chain',
      layers: [
        make.conv2d({ filters: 5, kernelSize: 3, inputShape: [10, 10, 2], name: 'a' }),
        norm('norm'),
        act('act'),
        make.conv2d({ filters: 7, kernelSize: 3, name: 'b' }),
        make.prelu({ name: 'prelu', sharedAxes: [1, 2] }),
        make.averagePooling2d({ poolSize: 2, name: 'pool' }),
        make.flatten({ name: 'flat' }),
        make.dense({ units: 6, name: 'hidden' }),
        make.dense({ units: 4, name: 'out' }),
      ],
    }),
  );
}

/** A stage of two residual blocks that starts with a projection, as ResNet's. */
export function residual(): layers.LayersModel {
  const input = image([8, 6, 3]);
  const stem = through(input, conv('stem', 6), norm('stem_norm'), act('stem_act'));
  const block = (x: Tensor, name: string, shortcut: Tensor) => {
    const inner = through(x, conv(`${name}_1`, 5), norm(`${name}_norm1`), act(`${name}_act1`));
    const outer = through(inner, conv(`${name}_2`, 9), norm(`${name}_norm2`));
    const sum = make.add({ name: `${name}_sum` }).apply([outer, shortcut]) as Tensor;
    return through(sum, act(`${name}_act2`));
  };
  const projection = through(stem, conv('project', 9, { kernelSize: 1 }), norm('project_norm'));
  const first = block(stem, 'first', projection);
  return model('residual', input, head(block(first, 'second', first)));
}

/** Depthwise and separable convolutions between pointwise ones, as MobileNet's. */
export function depthwise(): layers.LayersModel {
  const input = image([9, 7, 3]);
  const x = through(
    input,
    conv('expand', 6, { kernelSize: 1 }),
    norm('expand_norm'),
    act('expand_act'),
    make.zeroPadding2d({ name: 'pad', padding: 1 }),
    make.depthwiseConv2d({ name: 'depthwise', kernelSize: 3, strides: 2 }),
    norm('depthwise_norm'),
    act('depthwise_act'),
    make.depthwiseConv2d({ name: 'double', kernelSize: 3, depthMultiplier: 2 }),
    act('double_act'),
    make.separableConv2d({ name: 'separable', filters: 7, kernelSize: 2, depthMultiplier: 2 }),
    act('separable_act'),
  );
  return model('depthwise', input, head(x));
}

/** Concatenations in which a channel lives on, new ones first, with batch normalisation before the convolution. */
export function dense(): layers.LayersModel {
  const input = image([8, 8, 2]);
  const grow = (x: Tensor, name: string) => {
    const made = through(x, norm(`${name}_norm`), act(`${name}_act`), conv(`${name}_conv`, 3));
    return make.concatenate({ name: `${name}_cat` }).apply([made, x]) as Tensor;
  };
  const block = grow(grow(through(input, conv('stem', 4)), 'one'), 'two');
  const transition = through(
    block,
    norm('mid_norm'),
    act('mid_act'),
    conv('mid_conv', 5, { kernelSize: 1 }),
    make.averagePooling2d({ name: 'mid_pool', poolSize: 2 }),
  );
  return model('dense', input, head(through(grow(transition, 'three'), norm('end_norm'), act('end_act'))));
}

/** A sum of two concatenations whose seams lie at different channels: 2 + 3 and 4 + 1. */
export function seams(): layers.LayersModel {
  const input = image([6, 6, 2]);
  const join = (name: string, a: number, b: number) =>
    make
      .concatenate({ name })
      .apply([through(input, conv(`${name}_a`, a)), through(input, conv(`${name}_b`, b))]) as Tensor;
  const sum = make.add({ name: 'sum' }).apply([join('left', 2, 3), join('right', 4, 1)]) as Tensor;
  return model('seams', input, head(through(sum, act('act'), conv('last', 4))));
}

/** The same tensor twice in one concatenation, and one convolution that is called twice. */
export function repeated(): layers.LayersModel {
  const input = image([6, 6, 2]);
  const x = through(input, conv('first', 4), act('first_act'));
  const twice = make.concatenate({ name: 'twice' }).apply([x, x]) as Tensor;
  const shared = conv('shared', 4);
  const once = through(through(twice, conv('second', 4)), shared, act('once_act'));
  const again = through(once, shared, act('again_act'));
  return model('repeated', input, head(again));
}

/** Squeeze and excitation: channels gated by a convolution of their own means. */
export function gated(): layers.LayersModel {
  const input = image([6, 6, 2]);
  const x = through(input, conv('wide', 6), act('wide_act'));
  const gate = through(
    x,
    make.globalAveragePooling2d({ name: 'squeeze' }),
    make.reshape({ name: 'spread', targetShape: [1, 1, 6] }),
    conv('reduce', 3, { kernelSize: 1 }),
    act('reduce_act'),
    conv('excite', 6, { kernelSize: 1 }),
    act('excite_act'),
  );
  return model('gated', input, head(make.multiply({ name: 'gate' }).apply([x, gate]) as Tensor));
}

export const networks = { chain, residual, depthwise, dense, seams, repeated, gated };

/** Numbers of [-1, 1) that never repeat in step. */
export function images(network: layers.LayersModel, count = 3): tf.Tensor {
  const shape = [count, ...(network.inputs[0]!.shape.slice(1) as number[])];
  return tf.tensor(noise(tf.util.sizeFromShape(shape), 1, 5), shape);
}
