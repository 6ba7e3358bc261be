/** Puts a graph together again from another format's nodes, with the shapes that follow from its input. */
import { checkGraph, inferShape } from './check.js';
import type { Constant, Graph, GraphFunction, Node, Operator } from './graph.js';

/** A node that could not be understood; `field` is where it stands in the file. */
export class GraphReadingError extends Error {
  constructor(
    readonly field: string,
    problem: string,
  ) {
    super(problem);
  }
}

/** What a node of another format is in ours. */
export interface Translated {
  readonly operator: Operator;
  readonly inputs: readonly string[];
}

export class GraphReader {
  readonly constants: ReadonlyMap<string, Constant>;
  readonly #layout: Graph['layout'];
  readonly #input: Graph['input'];
  readonly #nodes: Node[] = [];
  readonly #shapes = new Map<string, readonly number[]>();

  constructor(layout: Graph['layout'], input: Graph['input'], constants: ReadonlyMap<string, Constant>) {
    this.#layout = layout;
    this.#input = input;
    this.constants = constants;
    this.#shapes.set(input.name, input.shape);
    for (const [name, { shape }] of constants) this.#shapes.set(name, shape);
  }

  /** @throws GraphReadingError for a name that does not exist before this node */
  shapeOf(field: string, name: string | undefined): readonly number[] {
    const shape = name === undefined ? undefined : this.#shapes.get(name);
    if (!shape) throw new GraphReadingError(field, `reads '${name}', which does not exist before it`);
    return shape;
  }

  /** @throws GraphReadingError when the operator cannot be applied to its inputs */
  add(field: string, name: string, operator: Operator, inputs: readonly string[]): void {
    const shapes = inputs.map(input => this.shapeOf(field, input));
    const node = { name, ...operator, inputs, shape: [] } as Node;
    const shape = inferShape(node, shapes, this.#layout);
    if (typeof shape === 'string') throw new GraphReadingError(field, `node '${name}' ${shape}`);
    if (this.#shapes.has(name)) throw new GraphReadingError(field, `'${name}' is there twice`);
    this.#shapes.set(name, shape);
    this.#nodes.push({ ...node, shape });
  }

  /** @throws GraphReadingError when the whole cannot be run */
  finish(output: string, functions: ReadonlyMap<string, GraphFunction> = new Map()): Graph {
    const graph: Graph = {
      layout: this.#layout,
      input: this.#input,
      nodes: this.#nodes,
      output,
      constants: this.constants,
      functions,
      layers: new Map(),
    };
    try {
      checkGraph(graph);
    } catch (error) {
      throw new GraphReadingError('', (error as Error).message);
    }
    return graph;
  }
}
