/** Runs a Padé activation that stands in a graph as a function by the engine's one kernel for it. */
import * as tf from '@tensorflow/tfjs-core';
import { RATIONAL_FORMS, type RationalForm } from '../../activations/rational.js';
import { pade } from '../../ops/pade.js';
import { padeFunction, padeName } from './activations.js';
import { type Constant, type Graph, type GraphFunction, type Node, sizeOf } from './graph.js';

/** A call with its coefficients as the kernel takes them. */
export interface FusedPade {
  readonly form: RationalForm;
  readonly q: number;
  readonly numerator: tf.Tensor;
  readonly denominator: tf.Tensor;
}

/** Names of the functions that are ours operator by operator, and whose form the kernel has. */
export function padeFunctions(graph: Graph): Map<string, RationalForm> {
  const known = new Map<string, RationalForm>();
  for (const [name, given] of graph.functions) {
    const m = given.parameters.filter(parameter => parameter.startsWith('a')).length - 1;
    const n = given.parameters.length - m - 3;
    if (m < 1 || n < 1) continue;
    for (const form of RATIONAL_FORMS) {
      if (padeName(form, [m, n]) !== name) continue;
      if (isSame(padeFunction(form, [m, n]), given)) known.set(name, form);
    }
  }
  return known;
}

/** Whatever the order in which a file's reader puts a node's properties. */
function isSame(ours: GraphFunction, given: GraphFunction): boolean {
  const told = ({ parameters, nodes, output }: GraphFunction) =>
    JSON.stringify([parameters, nodes.map(({ name, op, inputs }) => [name, op, inputs]), output]);
  return told(ours) === told(given);
}

/** The coefficients of a call on the engine, whose tensors the caller disposes; undefined when they are not constants. */
export function fusedPade(
  call: Node,
  form: RationalForm,
  constants: ReadonlyMap<string, Constant>,
): FusedPade | undefined {
  const given = call.inputs.slice(1).map(name => constants.get(name));
  if (given.some(constant => constant === undefined)) return undefined;
  const [bound] = given.splice(-1) as [Constant];
  return { form, q: bound.values[0]!, ...split(call, given as Constant[]) };
}

function split(call: Node, coefficients: readonly Constant[]): Pick<FusedPade, 'numerator' | 'denominator'> {
  const [, m] = /^Pade_(\d+)_/.exec((call as Extract<Node, { op: 'call' }>).function)!;
  const length = Number(m) + 1;
  return {
    numerator: stacked(coefficients.slice(0, length)),
    denominator: stacked(coefficients.slice(length)),
  };
}

/** `[k]`, or `[c, k]` where each channel has its own. */
function stacked(coefficients: readonly Constant[]): tf.Tensor {
  const channels = Math.max(...coefficients.map(({ shape }) => sizeOf(shape)));
  const shared = coefficients.every(({ shape }) => shape.length === 0);
  const rows = Array.from({ length: channels }, (_, c) =>
    coefficients.map(({ values }) => values[values.length === 1 ? 0 : c]!),
  );
  return shared ? tf.tensor1d(rows[0]!) : tf.tensor2d(rows);
}

export function runFusedPade(x: tf.Tensor, { form, q, numerator, denominator }: FusedPade): tf.Tensor {
  return pade(x, numerator, denominator, { form, ...(form === 'unsafe' ? {} : { q }) });
}
