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

export function explain({ groups, fixed }: CouplingGraph): Explanation {
  return {
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
