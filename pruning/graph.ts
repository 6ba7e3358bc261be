/** The coupling graph: which channels of a network must be removed together, and every weight that they reach. */
import type * as layers from '@tensorflow/tfjs-layers';
import { OptionsError, PadezooError } from '../src/errors.js';
import { Channels, type Reason } from './channels.js';
import { type Call, type Flow, knownLayers, nameOf, type Role, ruleOf } from './rules.js';

type Layer = layers.layers.Layer;
type Tensor = layers.SymbolicTensor;

/** The channels along one axis of a layer's weight; -1 where a channel stays whatever happens. */
export interface WeightAxis {
  /** Index into `layer.weights`. */
  readonly weight: number;
  readonly axis: number;
  readonly role: Role;
  /** As long as the axis; numbers of the graph's channels. */
  readonly channels: Int32Array;
}

/** What surgery must change of a layer. */
export interface LayerChannels {
  readonly layer: string;
  readonly type: string;
  readonly axes: readonly WeightAxis[];
  /** New entries of its config, from the entries of `channels` that stay. */
  readonly configs: readonly {
    readonly channels: Int32Array;
    change(kept: readonly number[]): Readonly<Record<string, unknown>>;
  }[];
}

/** A convolution of a group, and the channel that each of its filters belongs to. */
export interface Member {
  readonly layer: string;
  /** Index into `layer.weights` of the kernel, whose last axes hold the filters. */
  readonly weight: number;
  /** Per output channel of the layer: a channel of the graph. */
  readonly channels: Int32Array;
}

/** Channels that are removed together. */
export interface WidthGroup {
  /** The graph's channels `first .. first + width - 1`, in the order of the first member's filters. */
  readonly first: number;
  readonly width: number;
  /** The convolutions that make them; a depthwise one, which makes a channel of each that it reads, after the others. */
  readonly members: readonly Member[];
  /** Layers with weights per channel on the way: batch normalisation, activations. */
  readonly followers: readonly string[];
  /** Layers whose weights read the channels. */
  readonly consumers: readonly string[];
}

/** Convolutions that keep all their filters, and why. */
export interface FixedGroup {
  readonly layers: readonly string[];
  readonly reasons: readonly Reason[];
}

export interface CouplingGraph {
  /** From input to output. */
  readonly groups: readonly WidthGroup[];
  readonly fixed: readonly FixedGroup[];
  /** All channels of all groups. */
  readonly channels: number;
  /** Layers that have weights or a config that changes with the channels. */
  readonly layers: readonly LayerChannels[];
}

export interface GraphOptions {
  /**
   * Names of layers, or patterns of names. A convolution keeps its filters, and so does all that is tied to it; of any
   * other layer, what reaches it stays.
   */
  readonly exclude?: readonly (string | RegExp)[];
}

/** Channels that could be pruned reach a layer that pruning does not understand. */
export class UnsupportedLayerError extends PadezooError {
  override readonly name = 'UnsupportedLayerError';
  constructor(
    readonly layer: string,
    readonly layerType: string,
    reason: string,
  ) {
    super(
      `prune: layer '${layer}' (${layerType}) ${reason}; give { exclude: ['${layer}'] } to leave the channels that reach it as they are, or teach pruning the layer with addRule`,
    );
  }
}

/**
 * Follows every channel from the layer that makes it to the layers that read it.
 *
 * @param model a LayersModel of any topology: chains, sums, concatenations, shared layers; borrowed
 * @throws UnsupportedLayerError for a layer without a rule that prunable channels reach; OptionsError when `exclude`
 *   names no layer
 */
export function couplingGraph(model: layers.LayersModel, options: GraphOptions = {}): CouplingGraph {
  const walk = new Walk(model, options.exclude ?? []);
  for (const output of model.outputs) {
    walk.channels.fix(walk.flow(output).channels, { kind: 'output', layer: output.sourceLayer.name });
  }
  return walk.graph();
}

interface Made {
  readonly axes: WeightAxis[];
  readonly configs: LayerChannels['configs'][number][];
  /** Of a convolution. */
  kernel?: { readonly weight: number; readonly channels: Int32Array };
}

/** Reads the layers of one model, inputs first. */
class Walk {
  readonly channels = new Channels();
  readonly #model: layers.LayersModel;
  readonly #excluded: ReadonlySet<string>;
  readonly #flows = new Map<Tensor, Flow>();
  readonly #made = new Map<Layer, Made>();

  constructor(model: layers.LayersModel, exclude: readonly (string | RegExp)[]) {
    this.#model = model;
    const names = model.layers.map(({ name }) => name);
    const named = (pattern: string | RegExp) =>
      names.filter(name => (typeof pattern === 'string' ? name === pattern : pattern.test(name)));
    for (const pattern of exclude) {
      if (named(pattern).length > 0) continue;
      throw new OptionsError(
        `prune: exclude: '${model.name}' has no layer ${typeof pattern === 'string' ? `'${pattern}'` : pattern}; it has ${names.join(', ')}`,
      );
    }
    this.#excluded = new Set(exclude.flatMap(named));
  }

  /** What flows out of a layer's call; inputs first, each once. */
  flow(tensor: Tensor): Flow {
    const known = this.#flows.get(tensor);
    if (known) return known;
    // A list instead of recursion: a network may have thousands of layers.
    const waiting = [tensor];
    while (waiting.length > 0) {
      const next = waiting.at(-1)!;
      const missing = inputsOf(next).filter(input => !this.#flows.has(input));
      if (missing.length > 0) {
        waiting.push(...missing);
        continue;
      }
      waiting.pop();
      if (!this.#flows.has(next)) this.#flows.set(next, this.#through(next));
    }
    return this.#flows.get(tensor)!;
  }

  #through(tensor: Tensor): Flow {
    const { sourceLayer: layer } = tensor;
    const shape = tensor.shape.slice(1);
    const inputs = inputsOf(tensor).map(input => this.#flows.get(input)!);
    const made = this.#made.get(layer) ?? { axes: [], configs: [] };
    this.#made.set(layer, made);
    const units = (reason: Reason) => {
      const channels = this.channels.make(shape.at(-1) ?? 0);
      this.channels.fix(channels, reason);
      return channels;
    };
    if (inputs.length === 0) return { channels: units({ kind: 'input', layer: layer.name }), shape };

    const call = this.#call(layer, made, inputs, shape, () => units({ kind: 'units', layer: layer.name }));
    const type = layer.getClassName();
    const rule = ruleOf(type);
    const result = rule?.(call) ?? `is not supported; pruning knows ${knownLayers().sort().join(', ')}`;
    const excluded = this.#excluded.has(layer.name);
    if (typeof result === 'string') {
      const reason: Reason = excluded
        ? { kind: 'excluded', layer: layer.name }
        : { kind: 'unsupported', layer: layer.name, type, problem: result };
      for (const input of inputs) this.channels.fix(input.channels, reason);
      this.#made.delete(layer);
      return { channels: units(reason), shape };
    }
    if (excluded) {
      for (const { channels } of made.kernel ? [{ channels: made.kernel.channels }] : inputs)
        this.channels.fix(channels, { kind: 'excluded', layer: layer.name });
    }
    return { channels: result, shape };
  }

  #call(
    layer: Layer,
    made: Made,
    inputs: readonly Flow[],
    outputShape: readonly (number | null)[],
    units: () => Int32Array,
  ): Call {
    const indexOf = (name: string) => layer.weights.findIndex(weight => nameOf(weight) === name);
    /** The same axis in the layer's earlier calls: its channels are these channels. */
    const known = (weight: number, axis: number) =>
      made.axes.find(entry => entry.weight === weight && entry.axis === axis)?.channels;
    const channels = this.channels;
    return {
      layer,
      config: layer.getConfig() as Record<string, unknown>,
      inputs,
      outputShape,
      units,
      tie: (a, b) => channels.tie(a, b),
      axis(name, axis, role, ids) {
        const weight = indexOf(name);
        if (weight < 0) return;
        const earlier = known(weight, axis);
        if (earlier) channels.tie(earlier, ids);
        else made.axes.push({ weight, axis, role, channels: ids });
      },
      filters(name, axis, widthKey) {
        const weight = indexOf(name);
        const earlier = known(weight, axis);
        if (earlier) return earlier;
        const ids = channels.make(layer.weights[weight]!.shape[axis]!);
        made.axes.push({ weight, axis, role: 'filters', channels: ids });
        made.configs.push({ channels: ids, change: kept => ({ [widthKey]: kept.length }) });
        return ids;
      },
      convolution(name, ids) {
        made.kernel ??= { weight: indexOf(name), channels: ids };
      },
      reconfigure(change, ids) {
        made.configs.push({ change, channels: ids });
      },
    };
  }

  graph(): CouplingGraph {
    const made = this.#model.layers.flatMap(layer => {
      const entry = this.#made.get(layer);
      return entry ? [{ layer, ...entry }] : [];
    });
    const convolutions = made.flatMap(({ layer, kernel }) =>
      kernel ? [{ layer: layer.name, weight: kernel.weight, channels: this.#roots(kernel.channels) }] : [],
    );
    const numbers = new Map<number, number>();
    const groups: WidthGroup[] = [];
    const fixed: FixedGroup[] = [];
    for (const members of withChannelsInCommon(convolutions)) {
      const roots = new Set(members.flatMap(({ channels }) => [...channels]));
      const reasons = distinct([...roots].flatMap(root => this.channels.reasons(root)));
      if (reasons.length > 0) {
        fixed.push({ layers: members.map(({ layer }) => layer), reasons });
        continue;
      }
      groups.push({ first: numbers.size, width: roots.size, members, followers: [], consumers: [] });
      for (const root of roots) numbers.set(root, numbers.size);
    }
    for (const { reasons } of fixed) {
      // What stays for another reason too stays wherever it goes.
      const [first, ...others] = reasons;
      if (first?.kind !== 'unsupported' || others.some(({ kind }) => kind !== 'unsupported')) continue;
      throw new UnsupportedLayerError(first.layer, first.type, first.problem);
    }
    const numbered = (channels: Int32Array) => this.#roots(channels).map(root => numbers.get(root) ?? -1);
    const changing = made
      .map(({ layer, axes, configs }) => ({
        layer: layer.name,
        type: layer.getClassName(),
        axes: axes.map(axis => ({ ...axis, channels: numbered(axis.channels) })).filter(hasChannels),
        configs: configs.map(entry => ({ ...entry, channels: numbered(entry.channels) })).filter(hasChannels),
      }))
      .filter(({ axes, configs }) => axes.length + configs.length > 0);
    return {
      groups: withReach(groups, changing, numbered),
      fixed,
      channels: numbers.size,
      layers: changing,
    };
  }

  #roots(channels: Int32Array): Int32Array {
    return channels.map(channel => this.channels.root(channel));
  }
}

/** Convolutions that share channels, directly or through others; in the order of the first of each. */
function withChannelsInCommon(convolutions: readonly Member[]): Member[][] {
  const parties = new Channels();
  const ids = parties.make(convolutions.length);
  const owner = new Map<number, number>();
  convolutions.forEach(({ channels }, i) => {
    for (const channel of channels) {
      const first = owner.get(channel);
      if (first === undefined) owner.set(channel, i);
      else parties.tie(ids.subarray(i, i + 1), ids.subarray(first, first + 1));
    }
  });
  const groups = new Map<number, Member[]>();
  convolutions.forEach((convolution, i) => {
    const root = parties.root(ids[i]!);
    groups.set(root, [...(groups.get(root) ?? []), convolution]);
  });
  return [...groups.values()];
}

/** The groups in the graph's numbers, with the layers that carry and read their channels. */
function withReach(
  groups: readonly WidthGroup[],
  changing: readonly LayerChannels[],
  numbered: (channels: Int32Array) => Int32Array,
): WidthGroup[] {
  const groupOf = groups.flatMap(({ width }, index) => new Array<number>(width).fill(index));
  const touched: Record<Role, Map<number, Set<string>>> = {
    filters: new Map(),
    follows: new Map(),
    reads: new Map(),
  };
  for (const { layer, axes } of changing) {
    for (const { role, channels } of axes) {
      for (const index of new Set(Array.from(channels, channel => groupOf[channel]))) {
        if (index === undefined) continue;
        const layers = touched[role].get(index) ?? new Set<string>();
        touched[role].set(index, layers.add(layer));
      }
    }
  }
  return groups.map((group, index) => {
    const members = group.members.map(member => ({ ...member, channels: numbered(member.channels) }));
    const names = new Set(members.map(({ layer }) => layer));
    const followers = [...(touched.follows.get(index) ?? [])].filter(layer => !names.has(layer));
    return { ...group, members, followers, consumers: [...(touched.reads.get(index) ?? [])] };
  });
}

const hasChannels = ({ channels }: { readonly channels: Int32Array }) =>
  channels.some(channel => channel >= 0);

/** An input layer reads nothing; tfjs has it read itself. */
export function inputsOf(tensor: Tensor): Tensor[] {
  const { inputTensors } = tensor.sourceLayer.inboundNodes[tensor.nodeIndex]!;
  return inputTensors.filter(input => input !== tensor);
}

function distinct(reasons: readonly Reason[]): Reason[] {
  return [...new Map(reasons.map(reason => [`${reason.kind} ${reason.layer}`, reason])).values()];
}
