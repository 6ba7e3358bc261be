/** Changes a graph between TensorFlow's layout, channels last, and PyTorch's and ONNX's, channels first. */
import { BINARY, type Constant, type Graph, type Node, nodesByName } from './graph.js';
import { permuted } from './permuted.js';

/** The same network for images `[n, c, h, w]`, with kernels as PyTorch has them. */
export function channelsFirst(graph: Graph): Graph {
  const known = first.get(graph);
  if (known) return known;
  const changed = new Change(graph, 'channels-first').graph();
  first.set(graph, changed);
  return changed;
}

/** Two formats take it, and moving the weights of a large network takes seconds. */
const first = new WeakMap<Graph, Graph>();

/** The same network for images `[n, h, w, c]`, with kernels as TensorFlow has them. */
export function channelsLast(graph: Graph): Graph {
  return new Change(graph, 'channels-last').graph();
}

/** Element by element with an image: a constant for every channel must stand where the image has its channels. */
const ELEMENTWISE: ReadonlySet<string> = new Set([...BINARY, 'call']);
/** Nodes that are constant when their input is. */
const CONSTANT: ReadonlySet<string> = new Set(['pick', 'view', 'abs']);

class Change {
  readonly #graph: Graph;
  readonly #to: Graph['layout'];
  readonly #nodes: Node[] = [];
  readonly #constants = new Map<string, Constant>();
  readonly #constant: Set<string>;
  readonly #byName: ReadonlyMap<string, Node>;
  readonly #views = new Set<string>();
  /** Renamed values: what stood for an image's channels and is another node now. */
  readonly #names = new Map<string, string>();

  constructor(graph: Graph, to: Graph['layout']) {
    if (graph.layout === to) throw new RangeError(`the graph is ${to} already`);
    this.#graph = graph;
    this.#to = to;
    this.#byName = nodesByName(graph);
    this.#constant = new Set(graph.constants.keys());
    for (const { op, name, inputs } of graph.nodes) {
      if (op === 'scalar' || (CONSTANT.has(op) && this.#constant.has(inputs[0]!))) this.#constant.add(name);
    }
  }

  graph(): Graph {
    for (const node of this.#graph.nodes) {
      if (this.#constant.has(node.name)) this.#addConstant(node);
      else this.#add(node);
    }
    const { input, constants } = this.#graph;
    const read = new Set(this.#nodes.flatMap(({ inputs }) => inputs));
    for (const [name, constant] of constants) {
      if (!this.#constants.has(name) && read.has(name)) this.#constants.set(name, constant);
    }
    const alive = this.#nodes.filter(({ name }) => read.has(name) || name === this.#graph.output);
    return {
      ...this.#graph,
      layout: this.#to,
      input: { ...input, shape: this.#shape(input.shape) },
      nodes: alive,
      constants: this.#constants,
    };
  }

  #add(node: Node): void {
    const shape = this.#shape(node.shape);
    const inputs = node.inputs.map(input => this.#names.get(input) ?? input);
    if (node.op === 'conv' || node.op === 'depthwise') {
      this.#convert(node.inputs[1]!, constant => this.#kernel(node.op, constant));
    } else if (node.op === 'dense') {
      this.#convert(node.inputs[1]!, constant => this.#matrix(constant, this.#flattened(node)));
    } else if (node.op === 'flatten') {
      this.#flatten({ ...node, inputs, shape });
      return;
    } else if (node.op === 'permute') {
      // It stands before a flatten, which does without it in the other layout.
      this.#names.set(node.name, inputs[0]!);
      return;
    } else if (ELEMENTWISE.has(node.op) && node.shape.length === 3) {
      inputs.forEach((input, i) => {
        if (this.#constant.has(input)) inputs[i] = this.#besideImage(input, node.shape);
      });
    }
    this.#nodes.push({ ...node, inputs, shape } as Node);
  }

  /** A view that only gave channels their place is not needed in the other layout. */
  #addConstant(node: Node): void {
    if (node.op === 'view') this.#names.set(node.name, this.#names.get(node.inputs[0]!) ?? node.inputs[0]!);
    else
      this.#nodes.push({
        ...node,
        inputs: node.inputs.map(input => this.#names.get(input) ?? input),
      } as Node);
  }

  /** `[c]` where channels come last is `[c, 1, 1]` where they come first. */
  #besideImage(name: string, image: readonly number[]): string {
    const shape = (this.#graph.constants.get(name) ?? this.#byName.get(name))?.shape ?? [];
    if (this.#to === 'channels-last') {
      if (shape.length === 3 && this.#graph.constants.has(name))
        this.#convert(name, ({ values }) => ({ shape: [values.length], values }));
      return name;
    }
    if (shape.length === 0) return name;
    const view = `${name}/image`;
    if (!this.#views.has(view)) {
      this.#views.add(view);
      const channels = image.at(-1)!;
      this.#nodes.push({ name: view, op: 'view', inputs: [name], shape: [channels, 1, 1] });
    }
    return view;
  }

  #shape(shape: readonly number[]): readonly number[] {
    if (shape.length !== 3) return shape;
    const [a, b, c] = shape as [number, number, number];
    return this.#to === 'channels-first' ? [c, a, b] : [b, c, a];
  }

  #convert(name: string, convert: (constant: Constant) => Constant): void {
    if (!this.#constants.has(name)) this.#constants.set(name, convert(this.#graph.constants.get(name)!));
  }

  #kernel(op: 'conv' | 'depthwise', { shape, values }: Constant): Constant {
    if (this.#to === 'channels-first') {
      const [h, w, i, o] = shape as [number, number, number, number];
      // Depthwise: filter channel·multiplier + j is kernel [.., channel, j].
      return op === 'conv'
        ? permuted({ shape: [h, w, i, o], values }, [3, 2, 0, 1])
        : { ...permuted({ shape: [h, w, i * o, 1], values }, [2, 3, 0, 1]) };
    }
    const [o, i, h, w] = shape as [number, number, number, number];
    if (op === 'conv') return permuted({ shape: [o, i, h, w], values }, [2, 3, 1, 0]);
    const { values: last } = permuted({ shape: [o, 1, h, w], values }, [2, 3, 0, 1]);
    const channels = this.#depthwiseChannels(o);
    return { shape: [h, w, channels, o / channels], values: last };
  }

  /** Channels that a depthwise kernel of `filters` filters reads. */
  #depthwiseChannels(filters: number): number {
    const node = this.#graph.nodes.find(
      ({ op, inputs }) => op === 'depthwise' && this.#graph.constants.get(inputs[1]!)?.shape[0] === filters,
    )!;
    const x = this.#byName.get(node.inputs[0]!)?.shape ?? this.#graph.input.shape;
    return x[0]!;
  }

  /** The image that a dense layer's input was, in the old layout; undefined when it was none or keeps its order. */
  #flattened(node: Node): readonly number[] | undefined {
    const flatten = this.#byName.get(node.inputs[0]!);
    if (flatten?.op !== 'flatten' || !this.#reorders(flatten)) return undefined;
    return this.#byName.get(flatten.inputs[0]!)?.shape ?? this.#graph.input.shape;
  }

  /** Whether only dense layers read what was flattened, so that their kernels can take the new order. */
  #reorders(flatten: Node): boolean {
    const image = this.#byName.get(flatten.inputs[0]!);
    if (image?.op === 'permute') return false;
    const readers = this.#graph.nodes.filter(({ inputs }) => inputs.includes(flatten.name));
    return (
      flatten.name !== this.#graph.output &&
      readers.every(({ op, inputs }) => op === 'dense' && inputs[0] === flatten.name)
    );
  }

  #flatten(node: Node): void {
    const old = this.#byName.get(node.name)!;
    const image = this.#byName.get(old.inputs[0]!);
    const shape = image?.shape ?? this.#graph.input.shape;
    if (shape.length === 3 && image?.op !== 'permute' && !this.#reorders(old)) {
      const axes: readonly [number, number, number] = this.#to === 'channels-first' ? [1, 2, 0] : [2, 0, 1];
      const name = `${node.name}/permute`;
      this.#nodes.push({ name, op: 'permute', axes, inputs: node.inputs, shape });
      this.#nodes.push({ ...node, inputs: [name] } as Node);
    } else this.#nodes.push(node);
  }

  /** `[in, out]` and `[out, in]`, whose inputs may be an image's values in another order. */
  #matrix({ shape, values }: Constant, image: readonly number[] | undefined): Constant {
    const first = this.#to === 'channels-first';
    const [inputs, outputs] = (first ? shape : [...shape].reverse()) as [number, number];
    if (!image) return permuted({ shape, values }, [1, 0]);
    const apart = first
      ? permuted({ shape: [...image, outputs], values }, [3, 2, 0, 1])
      : permuted({ shape: [outputs, ...image], values }, [2, 3, 1, 0]);
    return { shape: first ? [outputs, inputs] : [inputs, outputs], values: apart.values };
  }
}
