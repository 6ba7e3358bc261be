/** Channels of a network while its layers are read: which are one and the same, and which must stay. */

/** Why channels cannot be removed. */
export type Reason =
  /** They come in with the image. */
  | { readonly kind: 'input'; readonly layer: string }
  /** They are the answer. */
  | { readonly kind: 'output'; readonly layer: string }
  /** They are the units of a layer that is not a convolution. */
  | { readonly kind: 'units'; readonly layer: string }
  /** `exclude` names their layer, or one that they reach. */
  | { readonly kind: 'excluded'; readonly layer: string }
  /** They reach a layer that pruning does not understand. */
  | { readonly kind: 'unsupported'; readonly layer: string; readonly type: string; readonly problem: string };

/** A union-find: channels that must go together have one root. */
export class Channels {
  readonly #parent: number[] = [];
  readonly #reasons = new Map<number, Reason[]>();

  /** `count` new channels, each its own. */
  make(count: number): Int32Array {
    const first = this.#parent.length;
    for (let i = 0; i < count; i++) this.#parent.push(first + i);
    return Int32Array.from({ length: count }, (_, i) => first + i);
  }

  /** Ties channel i of `a` to channel i of `b`; they are of one length. */
  tie(a: Int32Array, b: Int32Array): void {
    a.forEach((channel, i) => {
      const [from, to] = [this.root(channel), this.root(b[i]!)];
      if (from === to) return;
      this.#parent[from] = to;
      const reasons = this.#reasons.get(from);
      if (!reasons) return;
      this.#reasons.delete(from);
      for (const reason of reasons) this.#fix(to, reason);
    });
  }

  /** The channels stay, and so do all that are tied to them, now or later. */
  fix(channels: Int32Array, reason: Reason): void {
    for (const channel of channels) this.#fix(this.root(channel), reason);
  }

  #fix(root: number, reason: Reason): void {
    const reasons = this.#reasons.get(root) ?? [];
    const known = reasons.some(({ kind, layer }) => kind === reason.kind && layer === reason.layer);
    if (!known) this.#reasons.set(root, [...reasons, reason]);
  }

  reasons(channel: number): readonly Reason[] {
    return this.#reasons.get(this.root(channel)) ?? [];
  }

  root(channel: number): number {
    let root = channel;
    while (this.#parent[root] !== root) root = this.#parent[root]!;
    for (let next = channel; next !== root; ) {
      const parent = this.#parent[next]!;
      this.#parent[next] = root;
      next = parent;
    }
    return root;
  }
}
