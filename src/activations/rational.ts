/**
 * The one specification of a Padé activation, in float64: P(x)/Q(x), its forms and its gradients.
 *
 * P(x) = Σ aᵢxⁱ, i = 0..m. With `form`
 * - `'absolute-sum'`: Q = q + |Σ bₖxᵏ|, k = 1..n (Molina et al., ICLR 2020, Eq. 2)
 * - `'absolute-polynomial'`: the same with k = 0..n, so with a constant b₀ (version C of the authors' library, q = 0.1)
 * - `'sum-of-absolutes'`: Q = q + Σ |bₖ||x|ᵏ (the authors' released code; the paper's Table 6 belongs to it)
 * - `'unsafe'`: Q = 1 + Σ bₖxᵏ (Eq. 1); it has poles where Q = 0
 *
 * Every engine's kernel is tested against this file. The derivative of |v| at v = 0 is 0, as in PyTorch's autograd.
 */
export const RATIONAL_FORMS = ['absolute-sum', 'absolute-polynomial', 'sum-of-absolutes', 'unsafe'] as const;
export type RationalForm = (typeof RATIONAL_FORMS)[number];

/** The degree that the denominator's first coefficient belongs to. */
export function firstDegree(form: RationalForm): 0 | 1 {
  return form === 'absolute-polynomial' ? 0 : 1;
}

/** A Padé activation: coefficients lowest degree first, `denominator` from `firstDegree`. */
export interface Rational {
  readonly numerator: readonly number[];
  readonly denominator: readonly number[];
  readonly form: RationalForm;
  /** Lower bound of Q in the safe forms, in (0, 1]. */
  readonly q: number;
}

/** Degrees of P and Q, as `pau({ order })` has them. */
export function orderOf({ numerator, denominator, form }: Rational): readonly [number, number] {
  return [numerator.length - 1, denominator.length - 1 + firstDegree(form)];
}

/** P/Q at one x, with its derivatives. */
export interface RationalValue {
  readonly y: number;
  /** d(P/Q)/dx */
  readonly slope: number;
  /** d(P/Q)/daᵢ, as long as the numerator */
  readonly byNumerator: readonly number[];
  /** d(P/Q)/dbₖ, as long as the denominator */
  readonly byDenominator: readonly number[];
}

/**
 * Works in u = |x|, the sign of x folded into the coefficients. Beyond u = 1 numerator and denominator are both divided
 * by u^d (d the highest degree in use), so that no power overflows. At a pole of the unsafe form the parts are infinite
 * or NaN.
 */
export function rationalValue({ numerator, denominator, form, q }: Rational, x: number): RationalValue {
  const absolutes = form === 'sum-of-absolutes';
  const u = Math.abs(x);
  const side = x < 0 ? -1 : 1;
  const from = firstDegree(form);
  const degree = highestDegree(numerator, denominator, from);
  const power = (i: number) => u ** (u > 1 ? i - degree : i);
  const odd = (i: number) => (i % 2 === 1 ? side : 1);
  let p = 0;
  let dp = 0;
  numerator.forEach((a, i) => {
    if (a === 0) return; // its power may be infinite
    p += a * odd(i) * power(i);
    if (i > 0) dp += i * a * odd(i) * power(i - 1);
  });
  let s = 0;
  let ds = 0;
  denominator.forEach((b, index) => {
    if (b === 0) return;
    const k = index + from;
    const signed = absolutes ? Math.abs(b) : b * odd(k);
    s += signed * power(k);
    if (k > 0) ds += k * signed * power(k - 1);
  });
  const sign = isFolded(form) ? Math.sign(s) : 1;
  const bound = (form === 'unsafe' ? 1 : q) * power(0) + sign * s;
  const y = p / bound;
  const kink = absolutes && x === 0 ? 0 : sign;
  return {
    y,
    slope: side * (dp / bound - y * ((kink * ds) / bound)),
    byNumerator: numerator.map((_, i) => (odd(i) * power(i)) / bound),
    byDenominator: denominator.map((b, index) => {
      const k = index + from;
      return -y * (absolutes ? Math.sign(b) : sign * odd(k)) * (power(k) / bound);
    }),
  };
}

/** P(x)/Q(x). */
export function evaluateRational(rational: Rational, x: number): number {
  return rationalValue(rational, x).y;
}

/** Whether Q has the absolute value of the whole sum. */
export function isFolded(form: RationalForm): boolean {
  return form === 'absolute-sum' || form === 'absolute-polynomial';
}

function highestDegree(numerator: readonly number[], denominator: readonly number[], from: number): number {
  let degree = 1;
  numerator.forEach((a, i) => {
    if (a !== 0) degree = Math.max(degree, i);
  });
  denominator.forEach((b, index) => {
    if (b !== 0) degree = Math.max(degree, index + from);
  });
  return degree;
}

/** The slope of P/Q at -∞ and at ∞; infinite where the numerator's degree is more than one above the denominator's. */
export function tailSlopes({ numerator, denominator, form, q }: Rational): readonly [number, number] {
  const from = firstDegree(form);
  const m = numerator.findLastIndex(a => a !== 0);
  const last = denominator.findLastIndex(b => b !== 0);
  const n = last < 0 ? 0 : last + from;
  if (m <= n) return [0, 0];
  const constant = n > 0 ? 0 : form === 'unsafe' ? 1 : q;
  const leading = last < 0 ? 0 : denominator[last]!;
  const right = numerator[m]! / (constant + (form === 'unsafe' ? leading : Math.abs(leading)));
  // x^m over |x|^n, or over xⁿ without absolute values
  const left = right * (-1) ** (m - 1 - (form === 'unsafe' ? n : 0));
  return m === n + 1 ? [left, right] : [left * Infinity, right * Infinity];
}
