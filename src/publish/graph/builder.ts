/** Collects the nodes, constants and functions of a graph while it is built. */
import type * as tf from '@tensorflow/tfjs-core';
import { type Constant, type Graph, type GraphFunction, type Node, type Operator, sizeOf } from './graph.js';

/** A value in the graph: its name, and its shape without the batch. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

export class GraphBuilder {
  readonly #input: Value;
  readonly #nodes = new Map<string, Node>();
  readonly #constants = new Map<string, Constant>();
  readonly #functions = new Map<string, GraphFunction>();
  readonly #layers = new Map<string, string>();

  constructor(input: Value) {
    this.#input = input;
  }

  /** Adds a node; without a shape it has that of its first input. */
  node(name: string, operator: Operator, inputs: readonly Value[], shape = inputs[0]!.shape): Value {
    const free = this.#free(name);
    this.#nodes.set(free, { name: free, ...operator, inputs: inputs.map(input => input.name), shape });
    return { name: free, shape };
  }

  /** A layer called twice has its weights once. */
  constant(name: string, shape: readonly number[], values: ArrayLike<number>): Value {
    if (values.length !== sizeOf(shape))
      throw new RangeError(`${name} [${shape}] has ${values.length} values`);
    if (!this.#constants.has(name)) this.#constants.set(name, { shape, values: Float32Array.from(values) });
    return { name, shape };
  }

  weight(name: string, tensor: tf.Tensor): Value {
    return this.constant(name, tensor.shape, tensor.dataSync());
  }

  /** The constant with one value; the same value is the same node. */
  scalar(value: number): Value {
    const name = `scalar/${value}`;
    if (!this.#nodes.has(name)) this.node(name, { op: 'scalar', value }, [], []);
    return { name, shape: [] };
  }

  /** Entries `[..., index]` of a constant. */
  pick(name: string, from: Value, index: number): Value {
    const picked = `${name}/${index}`;
    const shape = from.shape.slice(0, -1);
    if (!this.#nodes.has(picked)) this.node(picked, { op: 'pick', index }, [from], shape);
    return { name: picked, shape };
  }

  function(name: string, make: () => GraphFunction): void {
    if (!this.#functions.has(name)) this.#functions.set(name, make());
  }

  /** Says which node is a layer's output, for comparing layer by layer. */
  layer(name: string, output: Value): void {
    this.#layers.set(this.#layers.has(name) ? output.name : name, output.name);
  }

  graph(output: Value): Graph {
    return {
      layout: 'channels-last',
      input: this.#input,
      nodes: [...this.#nodes.values()],
      output: output.name,
      constants: this.#constants,
      functions: this.#functions,
      layers: this.#layers,
    };
  }

  #free(name: string): string {
    const taken = (candidate: string) =>
      candidate === this.#input.name || this.#nodes.has(candidate) || this.#constants.has(candidate);
    let free = name;
    for (let call = 2; taken(free); call++) free = `${name}/call${call}`;
    return free;
  }
}
