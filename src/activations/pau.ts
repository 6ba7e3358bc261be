/** `pau()`, `rpau()` and `rational()`: Padé Activation Units as activation factories. */
import { z } from 'zod';
import { OptionsError } from '../errors.js';
import { MAX_DEGREE } from '../ops/pade.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import { INITIAL_COEFFICIENTS } from './coefficients.js';
import { fitPade } from './fit.js';
import { functionByName } from './functions.js';
import { PadeLayer } from './padeLayer.js';
import { PAPER_COEFFICIENTS, paperSwish } from './paperCoefficients.js';
import { firstDegree, RATIONAL_FORMS, type Rational } from './rational.js';

const Coefficients = z.array(z.number()).max(MAX_DEGREE + 1);

const PauOptions = z.strictObject({
  /** Degrees of numerator and denominator; the paper's is [5, 4]. [m, 0] is a polynomial, [0, n] a bump that ends at 0. */
  order: z
    .tuple([z.int().min(0).max(MAX_DEGREE), z.int().min(0).max(MAX_DEGREE)])
    .readonly()
    .refine(([m, n]) => m + n > 0, 'expected a degree above 0, for [0, 0] is the same for every x')
    .default([5, 4]),
  /**
   * What it starts as: a function by name (`'lrelu:0.01'`, the paper's), a column of the paper's Table 6
   * (`'paper:lrelu:0.2'`), any function, or coefficients.
   */
  init: z
    .union([
      z.string(),
      z.strictObject({ numerator: Coefficients.readonly(), denominator: Coefficients.readonly() }),
      z.custom<(x: number) => number>(value => typeof value === 'function', 'expected a function of x'),
    ])
    .default('lrelu:0.01'),
  form: z.enum(RATIONAL_FORMS).default('absolute-sum'),
  /** Lower bound of Q in the safe forms. */
  q: z.number().gt(0).lte(1).default(1),
  /** Where a function is fitted. */
  range: z
    .tuple([z.number(), z.number()])
    .readonly()
    .refine(([from, to]) => from < to, 'must rise')
    .default([-3, 3]),
  /** What has coefficients of its own: each layer, each channel, each of so many groups of channels, or the network. */
  shared: z
    .union([z.enum(['layer', 'channel', 'network']), z.strictObject({ groups: z.int().min(1) })])
    .default('layer'),
});
export type PauOptions = z.input<typeof PauOptions>;

const RpauOptions = PauOptions.extend({
  /** Share of a coefficient by which it varies: 0.01 for the paper's VGG8 and MobileNetV2, 0.1 for its ResNet101. */
  noise: z.number().gt(0).lte(1).default(0.01),
  /** Of the noise. */
  seed: z.int().min(0).default(0),
});
export type RpauOptions = z.input<typeof RpauOptions>;

/**
 * A Padé Activation Unit: P(x)/Q(x) with m + n + 1 learnable coefficients, one set per layer (Molina et al., ICLR 2020).
 *
 * @throws OptionsError when an option is unknown or out of range, or `init` does not fit `order`
 */
export function pau(options: PauOptions = {}): Activation {
  const settings = checkOptions(PauOptions, options, 'pau');
  return padeActivation('pau', { ...settings, noise: 0, seed: 0 });
}

/**
 * A randomised PAU (Molina et al., ICLR 2020, Eq. 3): in training every coefficient c is drawn from
 * U((1 - noise)c, (1 + noise)c), anew for every coefficient and every element; the gradient uses the drawn coefficients.
 * (The paper adds such a draw to c, which would double it; the authors' code multiplies, as here.)
 *
 * @throws OptionsError as `pau` does
 */
export function rpau(options: RpauOptions = {}): Activation {
  return padeActivation('rpau', checkOptions(RpauOptions, options, 'rpau'));
}

const RationalOptions = z.strictObject({
  /** Of ml-research/rational_activations. */
  version: z.enum(['A', 'B', 'C', 'D', 'N']).default('A'),
  degrees: PauOptions.shape.order,
  init: PauOptions.shape.init,
});
export type RationalOptions = z.input<typeof RationalOptions>;

const VERSIONS = {
  A: { form: 'sum-of-absolutes', q: 1 },
  B: { form: 'absolute-sum', q: 1 },
  C: { form: 'absolute-polynomial', q: 0.1 },
  D: { form: 'absolute-sum', q: 1, noise: 0.1 },
  N: { form: 'unsafe', q: 1 },
} as const;

/** The activation that ml-research/rational_activations calls `Rational(version)`: A, B, C, D (B with 10 % noise), N. */
export function rational(options: RationalOptions = {}): Activation {
  const { version, degrees, init } = checkOptions(RationalOptions, options, 'rational');
  const pade = { order: degrees, init, ...VERSIONS[version] };
  return 'noise' in pade ? rpau(pade) : pau(pade);
}

type Settings = z.output<typeof RpauOptions> | (z.output<typeof PauOptions> & { noise: 0; seed: 0 });

function padeActivation(name: 'pau' | 'rpau', settings: Settings): Activation {
  const { order, form, q, range, shared, noise, seed } = settings;
  // A function cannot be written down: its fit can.
  const init =
    typeof settings.init === 'function' ? coefficientsFrom(settings.init, settings) : settings.init;
  let initial: Rational | undefined; // fitted when first needed: unusual orders take a second
  const config = {
    name,
    order,
    init,
    form,
    q,
    ...(range[0] === -3 && range[1] === 3 ? {} : { range }),
    ...(shared === 'layer' ? {} : { shared }),
    ...(name === 'rpau' ? { noise, seed } : {}),
  };
  const make = (layer: string) => {
    initial ??= initialRational({ ...settings, init });
    const sharing = shared === 'network' ? 'layer' : shared;
    return new PadeLayer({ ...initial, name: layer, shared: sharing, noise, seed, range });
  };
  const kind = `${name} [${order.join('/')}]`;
  if (shared !== 'network') return { kind, config, layer: make };
  const forNetwork = (): Activation => {
    let only: PadeLayer | undefined;
    return { kind, config, forNetwork, layer: layer => (only ??= make(layer)) };
  };
  return forNetwork();
}

type Start = Pick<Settings, 'order' | 'form' | 'q' | 'range'>;

function coefficientsFrom(f: (x: number) => number, { order, form, q, range }: Start) {
  const { numerator, denominator } = fitPade(f, { order, form, q, range });
  return { numerator, denominator };
}

function initialRational(
  settings: Start & { init: string | Pick<Rational, 'numerator' | 'denominator'> },
): Rational {
  const { order, form, q, init } = settings;
  return { ...wakened(startOf(settings, init)), form, q };

  function startOf(start: Start, from: typeof init): Pick<Rational, 'numerator' | 'denominator'> {
    const [m, n] = order;
    if (typeof from === 'object') {
      const { numerator, denominator } = from;
      const wanted = n + 1 - firstDegree(form);
      if (numerator.length === m + 1 && denominator.length === wanted) return { numerator, denominator };
      throw new OptionsError(
        `pau: order [${m}, ${n}] needs ${m + 1} numerator and ${wanted} denominator coefficients, got ${numerator.length} and ${denominator.length}`,
      );
    }
    if (from.startsWith('paper:')) return paperColumn(from.slice('paper:'.length), start);
    const usual = m === 5 && n === 4 && q === 1 && start.range[0] === -3 && start.range[1] === 3;
    const known = usual ? INITIAL_COEFFICIENTS[from]?.[form] : undefined;
    return known ?? coefficientsFrom(functionByName(from), start);
  }
}

function paperColumn(name: string, { order: [m, n], form, q }: Start) {
  const beta = /^swish:(.+)$/.exec(name)?.[1];
  const column = beta && Number.isFinite(Number(beta)) ? paperSwish(Number(beta)) : PAPER_COEFFICIENTS[name];
  if (!column) {
    throw new OptionsError(
      `pau: the paper's Table 6 has ${Object.keys(PAPER_COEFFICIENTS).join(', ')}, got '${name}'`,
    );
  }
  if (m === 5 && n === 4 && q === 1 && column.forms.includes(form)) return column;
  throw new OptionsError(
    `pau: the paper's column '${name}' is of order [5, 4], q = 1 and form ${column.forms.join(' or ')}, got [${m}, ${n}], q = ${q} and '${form}'`,
  );
}

/** Denominators that are all 0 would never train, for there |S| has no slope: they get a small start. */
const SMALLEST_START = 1e-3;

function wakened({ numerator, denominator }: Pick<Rational, 'numerator' | 'denominator'>) {
  if (denominator.some(b => b !== 0)) return { numerator: [...numerator], denominator: [...denominator] };
  return { numerator: [...numerator], denominator: denominator.map(() => SMALLEST_START) };
}
