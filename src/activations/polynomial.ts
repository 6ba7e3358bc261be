/** Real polynomials, lowest degree first: value, derivative, product, and all real roots in an interval. */

export type Polynomial = readonly number[];

export function valueAt(p: Polynomial, x: number): number {
  return p.reduceRight((sum, c) => sum * x + c, 0);
}

export function derivativeOf(p: Polynomial): number[] {
  return p.slice(1).map((c, i) => c * (i + 1));
}

export function product(p: Polynomial, q: Polynomial): number[] {
  const result = new Array<number>(Math.max(0, p.length + q.length - 1)).fill(0);
  p.forEach((a, i) => {
    q.forEach((b, j) => {
      result[i + j]! += a * b;
    });
  });
  return result;
}

/** p + factor·q */
export function combination(p: Polynomial, factor: number, q: Polynomial): number[] {
  return Array.from({ length: Math.max(p.length, q.length) }, (_, i) => (p[i] ?? 0) + factor * (q[i] ?? 0));
}

/** All real roots in [from, to], rising: between neighbouring roots of the derivative there is at most one. */
export function rootsIn(p: Polynomial, from: number, to: number): number[] {
  const degree = p.findLastIndex(c => c !== 0);
  if (degree < 1) return [];
  const trimmed = p.slice(0, degree + 1);
  const turns = [from, ...rootsIn(derivativeOf(trimmed), from, to), to];
  const roots: number[] = [];
  const found = (root: number) => {
    if (root !== roots.at(-1)) roots.push(root);
  };
  for (let i = 1; i < turns.length; i++) {
    const [low, high] = [turns[i - 1]!, turns[i]!];
    const [atLow, atHigh] = [valueAt(trimmed, low), valueAt(trimmed, high)];
    if (atLow === 0) found(low);
    if (atLow * atHigh < 0) found(bisected(trimmed, low, high, Math.sign(atLow)));
    if (atHigh === 0) found(high);
  }
  return roots;
}

function bisected(p: Polynomial, from: number, to: number, sign: number): number {
  let [low, high] = [from, to];
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    if (Math.sign(valueAt(p, middle)) === sign) low = middle;
    else high = middle;
  }
}

/** A bound on the size of every root (Cauchy). */
export function rootBound(p: Polynomial): number {
  const degree = p.findLastIndex(c => c !== 0);
  if (degree < 1) return 1;
  return 1 + Math.max(...p.slice(0, degree).map(c => Math.abs(c / p[degree]!)));
}
