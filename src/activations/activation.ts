/** What an activation factory makes, and how one is chosen by name: the zoo's architectures only know this file. */
import * as layers from '@tensorflow/tfjs-layers';
import { OptionsError } from '../errors.js';
import { type PauOptions, pau } from './pau.js';

/** A kind of activation with its options; every place in a network gets a layer of its own from it. */
export interface Activation {
  /** For people: `'pau [5/4]'`, `'relu'`. */
  readonly kind: string;
  /** What makes it again: `activationOf(config)`; JSON. */
  readonly config: ActivationConfig;
  /** A new layer with new parameters. */
  layer(name: string): layers.layers.Layer;
}

export type ActivationConfig = { readonly name: string } & Readonly<Record<string, unknown>>;

/** An activation, its config, or its name with an option: `pau()`, `{ name: 'pau' }`, `'pau'`, `'lrelu:0.2'`. */
export type ActivationChoice = Activation | ActivationConfig | string;

/** max(0, x) */
export function relu(): Activation {
  return { kind: 'relu', config: { name: 'relu' }, layer: name => layers.layers.reLU({ name }) };
}

/** max(0, x) + slope·min(0, x); the paper's LReLU has slope 0.01. */
export function lrelu({ slope = 0.01 }: { readonly slope?: number } = {}): Activation {
  return {
    kind: `lrelu ${slope}`,
    config: { name: 'lrelu', slope },
    layer: name => layers.layers.leakyReLU({ alpha: slope, name }),
  };
}

const FACTORIES: Readonly<Record<string, (options: Record<string, unknown>) => Activation>> = {
  pau: options => pau(options as PauOptions),
  relu,
  lrelu: options => lrelu(options),
};

/** The option that `'name:value'` sets. */
const SHORTHANDS: Readonly<Record<string, string>> = { lrelu: 'slope' };

/** @throws OptionsError that lists the known names */
export function activationOf(choice: ActivationChoice): Activation {
  if (typeof choice === 'object' && 'layer' in choice) return choice as Activation;
  const { name, ...options } = typeof choice === 'string' ? parse(choice) : choice;
  const make = Object.hasOwn(FACTORIES, name) ? FACTORIES[name] : undefined;
  if (!make) {
    throw new OptionsError(
      `activation: must be one of ${Object.keys(FACTORIES).join(', ')}, got '${String(name)}'`,
    );
  }
  return make(options);
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
