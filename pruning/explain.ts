/** The coupling graph for people: which convolutions lose filters together, who carries and reads them, what stays and why. */
import type { CouplingGraph } from './graph.js';

/** One line of the explanation. */
export interface Explained {
  readonly width: number;
  /** Convolutions that lose the same channels. */
  readonly convolutions: readonly string[];
  /** Layers with weights per channel on the way. */
  readonly carriedBy: readonly string[];
  readonly readBy: readonly string[];
}

export interface Explanation {
  /** Convolutions that lose channels and layers that read them, from input to output. */
  readonly layers: readonly string[];
  readonly groups: readonly Explained[];
  /** Convolutions that keep all their filters. */
  readonly fixed: readonly { readonly convolutions: readonly string[]; readonly why: string }[];
}

const WHY = {
  input: (layer: string) => `tied to the channels of the input '${layer}'`,
  output: (layer: string) => `their channels are the network's output ('${layer}')`,
  units: (layer: string) => `tied to the units of '${layer}', which is not a convolution`,
  excluded: (layer: string) => `'${layer}' is excluded`,
  unsupported: (layer: string) => `they reach '${layer}', which pruning does not know`,
};

export function explain({ groups, fixed, layers }: CouplingGraph): Explanation {
  const shown = new Set(
    groups.flatMap(group => [...group.members.map(({ layer }) => layer), ...group.consumers]),
  );
  return {
    layers: layers.map(({ layer }) => layer).filter(layer => shown.has(layer)),
    groups: groups.map(({ width, members, followers, consumers }) => ({
      width,
      convolutions: members.map(({ layer }) => layer),
      carriedBy: followers,
      readBy: consumers,
    })),
    fixed: fixed.map(({ layers, reasons }) => ({
      convolutions: layers,
      why: reasons.map(({ kind, layer }) => WHY[kind](layer)).join('; '),
    })),
  };
}
