/** Known activation functions by name, in float64: what Padé activations are fitted to. `'lrelu:0.2'` gives an option. */
import { OptionsError } from '../errors.js';

type Scalar = (x: number) => number;

const sigmoid: Scalar = x => 1 / (1 + Math.exp(-x));

/** Abramowitz & Stegun 7.1.26, |error| < 1.5e-7: far below any fit's. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

const FAMILIES: Readonly<Record<string, (option: number | undefined) => Scalar>> = {
  relu: () => x => Math.max(0, x),
  lrelu:
    (slope = 0.01) =>
    x =>
      x > 0 ? x : slope * x,
  tanh: () => Math.tanh,
  sigmoid: () => sigmoid,
  swish:
    (beta = 1) =>
    x =>
      x * sigmoid(beta * x),
  elu:
    (alpha = 1) =>
    x =>
      x > 0 ? x : alpha * Math.expm1(x),
  identity: () => x => x,
  gelu: () => x => 0.5 * x * (1 + erf(x / Math.SQRT2)),
};

/** @throws OptionsError that lists the known names */
export function functionByName(name: string): Scalar {
  const [family = '', option] = name.split(':');
  const make = Object.hasOwn(FAMILIES, family) ? FAMILIES[family] : undefined;
  const value = option === undefined ? undefined : Number(option);
  if (!make || Number.isNaN(value)) {
    throw new OptionsError(
      `pau: init must be one of ${Object.keys(FAMILIES).join(', ')} (with an option such as 'lrelu:0.2'), got '${name}'`,
    );
  }
  return make(value);
}
