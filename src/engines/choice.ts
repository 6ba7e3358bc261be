/** What `engine.use` and PADEZOO_ENGINE may say, checked before anything is started. */
import { z } from 'zod';
import { OptionsError } from '../errors.js';
import { checkOptions } from '../options.js';
import { PRECISIONS } from './torch/precision.js';

const ENGINES = ['torch', 'wasm', 'cpu', 'tensorflow'] as const;
export type EngineName = (typeof ENGINES)[number];

/** The name of a device, which need not be there. */
export const DeviceName = z
  .string()
  .regex(/^(cpu|cuda(:\d+)?)$/, "must be 'cpu', 'cuda' or a GPU such as 'cuda:1'");

const UseOptions = z.strictObject({
  /** Where torch calculates: `'cpu'` (default), `'cuda'` (the first GPU), `'cuda:1'`. Tensors that exist move there. */
  device: DeviceName.optional(),
  /** CPU threads of torch; default: all cores. */
  threads: z.int().min(1).optional(),
  /** Of torch's convolutions and matrix products; default `'fp32'`. */
  precision: z.enum(PRECISIONS).optional(),
  /**
   * On CUDA: `'measured'` has cuDNN try its algorithms out for every new shape and take the fastest; `'heuristic'` (default) takes
   * those alone that give the same bits again.
   */
  convolutions: z.enum(['heuristic', 'measured']).optional(),
});
export type EngineOptions = z.input<typeof UseOptions>;

/** The options that every engine has, because they ask for nothing. */
const EVERYWHERE: Readonly<Record<string, unknown>> = {
  device: 'cpu',
  precision: 'fp32',
  convolutions: 'heuristic',
};

/** What a user who gives torch's option to another engine can do instead. */
const INSTEAD: Record<Exclude<EngineName, 'torch'>, string> = {
  tensorflow:
    '@tensorflow/tfjs-node-gpu takes the GPU by itself, and TF_NUM_INTRAOP_THREADS sets the threads of @tensorflow/tfjs-node',
  wasm: 'wasm runs on the CPU in fp32, on threads of its own choice',
  cpu: 'cpu runs on one thread of the CPU in fp32',
};

/**
 * The options, checked: an engine is asked only for what it has.
 *
 * @throws OptionsError that names what is wrong and what to do instead
 */
export function checkChoice(name: EngineName, options: EngineOptions): EngineOptions {
  if (!isEngine(name)) throw new OptionsError(`engine.use: ${notAnEngine(name)}`);
  const choice = checkOptions(UseOptions, options, 'engine.use');
  if (name === 'torch') return onItsDevice(choice);
  const special = Object.entries(choice).find(([option, value]) => value !== EVERYWHERE[option]);
  if (special)
    throw new OptionsError(
      `engine.use('${name}'): ${special.join(': ')} is for torch alone; ${INSTEAD[name]}`,
    );
  return choice;
}

/** What a CPU does not have is asked for in vain there. */
function onItsDevice(choice: EngineOptions): EngineOptions {
  const { device = 'cpu', precision, convolutions } = choice;
  if (device !== 'cpu') return choice;
  if (precision === 'tf32')
    throw new OptionsError(
      "engine.use('torch'): precision 'tf32' is for device 'cuda'; a CPU has 'fp32' and 'bf16'",
    );
  if (convolutions === 'measured')
    throw new OptionsError("engine.use('torch'): convolutions 'measured' is for device 'cuda'; leave it out");
  return choice;
}

/**
 * The engine that PADEZOO_ENGINE names; `undefined` where it is not set or empty.
 *
 * @throws OptionsError when there is no such engine
 */
export function engineOfEnvironment(): EngineName | undefined {
  const word = process.env.PADEZOO_ENGINE;
  if (!word) return undefined;
  if (!isEngine(word)) throw new OptionsError(`PADEZOO_ENGINE ${notAnEngine(word)}`);
  return word;
}

function isEngine(name: string): name is EngineName {
  return (ENGINES as readonly string[]).includes(name);
}

function notAnEngine(name: unknown): string {
  return `must be one of ${ENGINES.join(', ')}, got '${String(name)}'`;
}
