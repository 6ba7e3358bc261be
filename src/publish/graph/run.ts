/** Runs a graph on the current engine, operator by operator: what an exported file is worth without its own runtime. */
import * as tf from '@tensorflow/tfjs-core';
import { type FusedPade, fusedPade, padeFunctions, runFusedPade } from './fusedPade.js';
import type { BINARY, Graph, Node, UNARY, Window } from './graph.js';
import { channelsLast } from './layout.js';
import { notPlain, plain } from './plain.js';

/** Is shown a node's result, which it borrows. */
export type Look = (node: string, result: tf.Tensor) => void;

export class GraphRunner {
  readonly #graph: Graph;
  readonly #constants = new Map<string, tf.Tensor>();
  readonly #fused = new Map<string, FusedPade>();

  /** @param graph in either layout; images are `[n, h, w, c]` in both cases */
  constructor(graph: Graph) {
    const last = graph.layout === 'channels-last' ? graph : channelsLast(graph);
    const forms = padeFunctions(last);
    const kept = plain(last, { functions: new Set(forms.keys()) });
    for (const node of kept.nodes) {
      const form = node.op === 'call' && forms.get(node.function);
      const fused = form && fusedPade(node, form, kept.constants);
      if (fused) this.#fused.set(node.name, fused);
    }
    const calls = kept.nodes.filter(({ op }) => op === 'call').length;
    this.#graph = calls === this.#fused.size ? kept : plain(last);
    for (const [name, { shape, values }] of this.#graph.constants) {
      this.#constants.set(name, tf.tensor(values, [...shape]));
    }
  }

  /**
   * @param images `[n, h, w, c]`; borrowed
   * @param names of the nodes whose results are wanted; default: the output's
   * @param look is shown every result; borrowed
   * @returns in the order of `names`; the caller disposes them
   */
  run(images: tf.Tensor, names: readonly string[] = [this.#graph.output], look?: Look): tf.Tensor[] {
    const { nodes, input } = this.#graph;
    const wanted = new Set(names);
    const lastReader = new Map<string, number>();
    nodes.forEach(({ inputs }, i) => {
      for (const name of inputs) lastReader.set(name, i);
    });
    const values = new Map<string, tf.Tensor>();
    const read = (name: string) =>
      name === input.name ? images : (values.get(name) ?? this.#constants.get(name)!);
    nodes.forEach((node, i) => {
      const fused = this.#fused.get(node.name);
      const result = tf.tidy(() =>
        fused ? runFusedPade(read(node.inputs[0]!), fused) : calculate(node, node.inputs.map(read)),
      );
      values.set(node.name, result);
      look?.(node.name, values.get(node.name)!);
      for (const name of node.inputs) {
        if (lastReader.get(name) !== i || wanted.has(name)) continue;
        values.get(name)?.dispose();
        values.delete(name);
      }
    });
    return names.map(name => (name === input.name ? images.clone() : values.get(name)!));
  }

  dispose(): void {
    tf.dispose([...this.#constants.values()]);
    for (const { numerator, denominator } of this.#fused.values()) tf.dispose([numerator, denominator]);
  }
}

const ELEMENTWISE: Readonly<
  Record<(typeof BINARY)[number] | (typeof UNARY)[number], (x: tf.Tensor, y: tf.Tensor) => tf.Tensor>
> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  abs: tf.abs,
  neg: tf.neg,
  relu: tf.relu,
  relu6: tf.relu6,
  elu: tf.elu,
  sigmoid: tf.sigmoid,
  tanh: tf.tanh,
  softmax: x => tf.softmax(x),
};

function calculate(node: Node, inputs: readonly tf.Tensor[]): tf.Tensor {
  const [x, second] = inputs as [tf.Tensor4D, tf.Tensor4D];
  switch (node.op) {
    case 'conv':
      return tf.conv2d(x, second, [...node.strides], explicit(node), 'NHWC', [...node.dilations]);
    case 'depthwise':
      return tf.depthwiseConv2d(x, second, [...node.strides], explicit(node), 'NHWC', [...node.dilations]);
    case 'maxPool': {
      const image = padded(x, node, Number.NEGATIVE_INFINITY);
      return tf.maxPool(image, [...node.size], [...node.strides], 'valid');
    }
    case 'averagePool': {
      const average = (image: tf.Tensor4D) => tf.avgPool(image, [...node.size], [...node.strides], 'valid');
      if (node.pads.every(pad => pad === 0)) return average(x);
      const [, rows, columns] = x.shape;
      // What is padded counts as nothing, not as zero: the share of each window that is image.
      const share = average(padded(tf.ones([1, rows, columns, 1]), node, 0));
      return tf.div(average(padded(x, node, 0)), share);
    }
    case 'upsample': {
      const [, rows, columns] = x.shape;
      return tf.image.resizeNearestNeighbor(x, [rows * node.factors[0], columns * node.factors[1]]);
    }
    case 'globalAverage':
      return tf.mean(x, [1, 2]);
    case 'globalMax':
      return tf.max(x, [1, 2]);
    case 'batchNorm': {
      const [, scale, offset, mean, variance] = inputs as tf.Tensor1D[];
      return tf.batchNorm(x, mean!, variance!, offset, scale, node.epsilon);
    }
    case 'dense':
      return tf.matMul(x, second);
    case 'flatten':
      return tf.reshape(x, [x.shape[0], ...node.shape]);
    case 'permute':
      return tf.transpose(x, [0, ...node.axes.map(axis => axis + 1)]);
    case 'concat':
      return tf.concat([...inputs], -1);
    case 'maxout':
      return tf.max(tf.reshape(x, [x.shape[0], ...node.shape, node.pieces]), -1);
    case 'leakyRelu':
      return tf.leakyRelu(x, node.slope);
    case 'scalar':
    case 'pick':
    case 'view':
    case 'call':
      throw notPlain(node.op);
    default:
      return ELEMENTWISE[node.op](x, second);
  }
}

function padded(x: tf.Tensor4D, { pads: [top, bottom, left, right] }: Window, value: number): tf.Tensor4D {
  return tf.pad(
    x,
    [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    value,
  );
}

function explicit({ pads: [top, bottom, left, right] }: Window): number | tf.backend_util.ExplicitPadding {
  if (top === bottom && top === left && top === right) return top;
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}
