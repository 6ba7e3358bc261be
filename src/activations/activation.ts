/** What an activation factory makes, and how one is chosen by name: the zoo's architectures only know this file. */
import type * as layers from '@tensorflow/tfjs-layers';
import { OptionsError } from '../errors.js';
import { apl } from './apl.js';
import { maxout } from './maxout.js';
import { mixture } from './mixture.js';
import { pau, rational, rpau } from './pau.js';
import { lrelu, prelu, relu, relu6, rrelu } from './relus.js';
import { slaf } from './slaf.js';
import { celu, elu, swish } from './smooth.js';
import { srelu } from './srelu.js';

/** A kind of activation with its options; every place in a network gets a layer of its own from it. */
export interface Activation {
  /** For people: `'pau [5/4]'`, `'relu'`. */
  readonly kind: string;
  /** What makes it again: `activationOf(config)`; JSON. */
  readonly config: ActivationConfig;
  /** A new layer with new parameters (with `shared: 'network'`, the network's one layer, whatever the name). */
  layer(name: string): layers.layers.Layer;
  /**
   * How many filters of the producing convolution or dense layer one channel of the output is made of: Maxout's k.
   * Missing: 1. Where it is above 1 the architecture multiplies that layer's filters (the depth multiplier of a
   * depthwise one: the pieces of channel c are k·c ... k·c + k - 1), and sites that have no producer of their own,
   * behind an addition, are left without activation.
   */
  readonly filtersFactor?: number;
  /**
   * Which side of the batch normalisation behind the convolution it stands on. Missing: `'after-normalization'`,
   * conv - BN - activation; Maxout's `'before-normalization'` is conv(k·C, bias as the architecture has it for Maxout) -
   * max - BN(C).
   */
  readonly placement?: 'before-normalization' | 'after-normalization';
  /** The same activation for another network, where layers of one network share something: `activationOf` calls it. */
  forNetwork?(): Activation;
}

export type ActivationConfig = { readonly name: string } & Readonly<Record<string, unknown>>;

/** An activation, its config, or its name with an option: `pau()`, `{ name: 'pau' }`, `'pau'`, `'lrelu:0.2'`. */
export type ActivationChoice = Activation | ActivationConfig | string;

const FACTORIES: Readonly<Record<string, (options: never) => Activation>> = {
  pau,
  rpau,
  rational,
  relu,
  relu6,
  lrelu,
  rrelu,
  prelu,
  elu,
  celu,
  swish,
  maxout,
  mixture,
  slaf,
  apl,
  srelu,
};

/** The option that `'name:value'` sets. */
const SHORTHANDS: Readonly<Record<string, string>> = {
  rpau: 'noise',
  lrelu: 'slope',
  prelu: 'slope',
  celu: 'alpha',
  swish: 'beta',
  maxout: 'pieces',
  slaf: 'degree',
  apl: 'segments',
};

/**
 * The activation that `choice` names, for one network: an architecture calls this once, and `layer` at every site.
 *
 * @throws OptionsError that lists the known names
 */
export function activationOf(choice: ActivationChoice): Activation {
  if (typeof choice === 'object' && 'layer' in choice) {
    const activation = choice as Activation;
    return activation.forNetwork?.() ?? activation;
  }
  const { name, ...options } = typeof choice === 'string' ? parse(choice) : choice;
  const make = Object.hasOwn(FACTORIES, name) ? FACTORIES[name] : undefined;
  if (!make) {
    throw new OptionsError(
      `activation: must be one of ${Object.keys(FACTORIES).join(', ')}, got '${String(name)}'`,
    );
  }
  return make(options as never);
}

function parse(text: string): ActivationConfig {
  const [name = '', value] = text.split(':');
  if (value === undefined) return { name };
  const option = SHORTHANDS[name];
  if (!option || value === '' || Number.isNaN(Number(value))) {
    throw new OptionsError(
      `activation: '${text}' is not understood; an option is a number, as in 'lrelu:0.2'`,
    );
  }
  return { name, [option]: Number(value) };
}
