/** Every activation of the catalogue at inference, out of plain operators. */
import type * as layers from '@tensorflow/tfjs-layers';
import type { PadeLayer } from '../../activations/padeLayer.js';
import { firstDegree, isFolded, type RationalForm } from '../../activations/rational.js';
import type { GraphBuilder, Value } from './builder.js';
import type { GraphFunction } from './graph.js';

type Layer = layers.layers.Layer;

/** Adds a layer's nodes to the graph; the last one has the layer's name. */
type Expansion = (graph: GraphBuilder, layer: Layer, x: Value) => Value;

const configOf = (layer: Layer) => layer.getConfig() as Readonly<Record<string, number>>;

/** The layer's weights by their own names, `'slopes'`. */
function weightsOf(graph: GraphBuilder, layer: Layer): (name: string) => Value {
  return name => {
    const weight = layer.weights.find(({ originalName }) => originalName.split('/').at(-1) === name)!;
    return graph.weight(`${layer.name}/${name}`, weight.read());
  };
}

/** Activation layers by class name. */
export const ACTIVATIONS: Readonly<Record<string, Expansion>> = {
  Pade: (graph, layer, x) => pade(graph, layer as PadeLayer, x),

  Polynomial(graph, layer, x) {
    const coefficients = weightsOf(graph, layer)('coefficients');
    const picked = picks(graph, `${layer.name}/a`, coefficients);
    let y = picked.at(-1)!;
    for (const [i, a] of picked.slice(0, -1).reverse().entries()) {
      const product = graph.node(`${layer.name}/mul${i}`, { op: 'mul' }, [x, y], x.shape);
      y = graph.node(i === picked.length - 2 ? layer.name : `${layer.name}/add${i}`, { op: 'add' }, [
        product,
        a,
      ]);
    }
    return y;
  },

  ReLU(graph, layer, x) {
    const { maxValue, negativeSlope, threshold } = configOf(layer);
    if (maxValue || negativeSlope || threshold) throw new Error('has a bound, a slope or a threshold');
    return graph.node(layer.name, { op: 'relu' }, [x]);
  },

  ReLU6: (graph, layer, x) => graph.node(layer.name, { op: 'relu6' }, [x]),

  LeakyReLU: (graph, layer, x) =>
    graph.node(layer.name, { op: 'leakyRelu', slope: configOf(layer).alpha! }, [x]),

  /** At inference the mean of the slopes. */
  RandomReLU(graph, layer, x) {
    const { lower, upper } = configOf(layer);
    return graph.node(layer.name, { op: 'leakyRelu', slope: (lower! + upper!) / 2 }, [x]);
  },

  ParametricReLU: (graph, layer, x) =>
    sloped(graph, layer, x, graph.pick(`${layer.name}/slope`, weightsOf(graph, layer)('slope'), 0)),

  /** tfjs's own, with a slope for every channel. */
  PReLU(graph, layer, x) {
    const alpha = layer.weights[0]!.read();
    const channels = alpha.shape.at(-1)!;
    if (alpha.size !== channels)
      throw new Error(
        `has a slope for every pixel [${alpha.shape}]; share it among pixels: sharedAxes: [1, 2]`,
      );
    return sloped(graph, layer, x, graph.constant(`${layer.name}/alpha`, [channels], alpha.dataSync()));
  },

  ELU: (graph, layer, x) => graph.node(layer.name, { op: 'elu' }, [x]),

  /** α·elu(x/α) */
  ContinuousELU(graph, layer, x) {
    const { alpha } = configOf(layer);
    if (alpha === 1) return graph.node(layer.name, { op: 'elu' }, [x]);
    const inner = graph.node(`${layer.name}/inner`, { op: 'mul' }, [x, graph.scalar(1 / alpha!)]);
    const elu = graph.node(`${layer.name}/elu`, { op: 'elu' }, [inner]);
    return graph.node(layer.name, { op: 'mul' }, [elu, graph.scalar(alpha!)]);
  },

  /** x·σ(βx) */
  Swish(graph, layer, x) {
    const { beta } = configOf(layer);
    const scaled =
      beta === 1 ? x : graph.node(`${layer.name}/scaled`, { op: 'mul' }, [x, graph.scalar(beta!)]);
    const gate = graph.node(`${layer.name}/gate`, { op: 'sigmoid' }, [scaled]);
    return graph.node(layer.name, { op: 'mul' }, [x, gate]);
  },

  Maxout(graph, layer, x) {
    const { pieces } = configOf(layer);
    const shape = [...x.shape.slice(0, -1), x.shape.at(-1)! / pieces!];
    return graph.node(layer.name, { op: 'maxout', pieces: pieces! }, [x], shape);
  },

  /** identity·x + rectified·relu(x) */
  Mixture(graph, layer, x) {
    const given = Array.from(layer.weights[0]!.read().dataSync());
    const parts =
      (layer.getConfig() as { combination?: string }).combination === 'convex' ? softmax(given) : given;
    const weights = graph.constant(`${layer.name}/parts`, [2], parts);
    const [identity, rectified] = picks(graph, `${layer.name}/part`, weights);
    const linear = graph.node(`${layer.name}/linear`, { op: 'mul' }, [x, identity!]);
    const relu = graph.node(`${layer.name}/relu`, { op: 'relu' }, [x]);
    const bent = graph.node(`${layer.name}/bent`, { op: 'mul' }, [relu, rectified!]);
    return graph.node(layer.name, { op: 'add' }, [linear, bent]);
  },

  /** relu(x) + Σ slope·relu(hinge - x) */
  AdaptivePiecewiseLinear(graph, layer, x) {
    const weight = weightsOf(graph, layer);
    const slopes = picks(graph, `${layer.name}/slope`, weight('slopes'));
    const hinges = picks(graph, `${layer.name}/hinge`, weight('hinges'));
    let y = graph.node(`${layer.name}/relu`, { op: 'relu' }, [x]);
    for (const [i, slope] of slopes.entries()) {
      const part = hinge(graph, `${layer.name}/${i}`, x, { from: hinges[i]!, side: 'below', slope });
      y = graph.node(i === slopes.length - 1 ? layer.name : `${layer.name}/sum${i}`, { op: 'add' }, [
        y,
        part,
      ]);
    }
    return y;
  },

  /** x + (right slope - 1)·relu(x - right) - (left slope - 1)·relu(left - x) */
  SShapedReLU(graph, layer, x) {
    const weight = weightsOf(graph, layer);
    const [right, left] = picks(graph, `${layer.name}/threshold`, weight('thresholds'));
    // What each side's slope differs from the middle's 1 by.
    const bends = Array.from(layer.weights[1]!.read().dataSync(), slope => slope - 1);
    const [rightBend, leftBend] = picks(
      graph,
      `${layer.name}/bend`,
      graph.constant(`${layer.name}/bends`, [2], bends),
    );
    const above = hinge(graph, `${layer.name}/right`, x, { from: right!, side: 'above', slope: rightBend! });
    const below = hinge(graph, `${layer.name}/left`, x, { from: left!, side: 'below', slope: leftBend! });
    const bent = graph.node(`${layer.name}/bent`, { op: 'add' }, [x, above]);
    return graph.node(layer.name, { op: 'sub' }, [bent, below]);
  },
};

/** relu(x) - slope·relu(-x) */
function sloped(graph: GraphBuilder, { name }: Layer, x: Value, slope: Value): Value {
  const above = graph.node(`${name}/above`, { op: 'relu' }, [x]);
  const turned = graph.node(`${name}/neg`, { op: 'neg' }, [x]);
  const below = graph.node(`${name}/below`, { op: 'relu' }, [turned]);
  const bent = graph.node(`${name}/sloped`, { op: 'mul' }, [below, slope], x.shape);
  return graph.node(name, { op: 'sub' }, [above, bent]);
}

/** All entries of a vector, or of the last axis. */
function picks(graph: GraphBuilder, name: string, from: Value): Value[] {
  return Array.from({ length: from.shape.at(-1)! }, (_, i) => graph.pick(name, from, i));
}

interface Hinge {
  readonly from: Value;
  readonly side: 'above' | 'below';
  readonly slope: Value;
}

/** slope·relu(x - from), or slope·relu(from - x) */
function hinge(graph: GraphBuilder, name: string, x: Value, { from, side, slope }: Hinge): Value {
  const difference = side === 'above' ? [x, from] : [from, x];
  const beyond = graph.node(`${name}/beyond`, { op: 'sub' }, difference, x.shape);
  const relu = graph.node(`${name}/relu`, { op: 'relu' }, [beyond]);
  return graph.node(`${name}/sloped`, { op: 'mul' }, [relu, slope]);
}

function softmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits);
  const powers = logits.map(logit => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map(power => power / sum);
}

function pade(graph: GraphBuilder, layer: PadeLayer, x: Value): Value {
  const { name } = layer;
  const { form, q } = layer.initial;
  const channels = x.shape.at(-1)!;
  const weight = (kind: string) => {
    const given = layer.weights.find(({ originalName }) => originalName.endsWith(`/${kind}`))!.read();
    const [sets, length] =
      given.shape.length === 2 ? (given.shape as [number, number]) : [0, given.shape[0]!];
    if (sets === 0 || sets === channels) return graph.weight(`${name}/${kind}`, given);
    const values = given.dataSync();
    const spread = Array.from({ length: channels }, (_, c) => {
      const set = Math.floor((c * sets) / channels);
      return [...values.subarray(set * length, (set + 1) * length)];
    });
    return graph.constant(`${name}/${kind}`, [channels, length], spread.flat());
  };
  const numerator = picks(graph, `${name}/numerator`, weight('numerator'));
  const denominator = picks(graph, `${name}/denominator`, weight('denominator')).map(b =>
    form === 'sum-of-absolutes' ? graph.node(`${b.name}/abs`, { op: 'abs' }, [b]) : b,
  );
  const order = [numerator.length - 1, denominator.length];
  const kind = padeName(form, order as [number, number]);
  graph.function(kind, () => padeFunction(form, order as [number, number]));
  const bound = graph.scalar(form === 'unsafe' ? 1 : q);
  return graph.node(name, { op: 'call', function: kind }, [x, ...numerator, ...denominator, bound], x.shape);
}

/** `'Pade_5_4_absolute_sum'` */
export const padeName = (form: RationalForm, order: readonly [number, number]): string =>
  ['Pade', ...order, form.replaceAll('-', '_')].join('_');

/** P(x)/Q(x) by Horner's rule, [5/4]: 20 operators. */
export function padeFunction(form: RationalForm, [m, n]: readonly [number, number]): GraphFunction {
  const from = firstDegree(form);
  const a = Array.from({ length: m + 1 }, (_, i) => `a${i}`);
  const b = Array.from({ length: n }, (_, i) => `b${i + from}`);
  const nodes: GraphFunction['nodes'][number][] = [];
  const node = (name: string, op: 'add' | 'mul' | 'div' | 'abs', ...inputs: string[]) => {
    nodes.push({ name, op, inputs });
    return name;
  };
  /** Σ c[i]·uⁱ */
  const horner = (name: string, coefficients: readonly string[], u: string) =>
    coefficients
      .slice(0, -1)
      .reduceRight(
        (sum, c, i) => node(`${name}${i}`, 'add', node(`${name}${i}x`, 'mul', u, sum), c),
        coefficients.at(-1)!,
      );
  const p = horner('p', a, 'x');
  let bound = 'q';
  if (n > 0) {
    const u = form === 'sum-of-absolutes' ? node('u', 'abs', 'x') : 'x';
    let s = horner('s', b, u);
    if (from === 1) s = node('s', 'mul', u, s);
    if (isFolded(form)) s = node('t', 'abs', s);
    bound = node('bound', 'add', s, 'q');
  }
  return { parameters: ['x', ...a, ...b, 'q'], nodes, output: node('y', 'div', p, bound) };
}

/** What a layer's own option `activation` may be. */
export const FUSED: Readonly<
  Record<string, 'relu' | 'relu6' | 'elu' | 'sigmoid' | 'tanh' | 'softmax' | 'linear'>
> = {
  linear: 'linear',
  relu: 'relu',
  relu6: 'relu6',
  elu: 'elu',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  softmax: 'softmax',
};
