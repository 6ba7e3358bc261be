/** Which known function an activation has become, up to scale and shift. */
import { OptionsError } from '../errors.js';
import { descend } from './descend.js';
import { functionByName } from './functions.js';

export interface ClosestFunction {
  readonly name: string;
  /** a·f(c·x + d) + b */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  /** Root mean square distance over the inputs. */
  readonly rmsError: number;
}

const NAMES = ['identity', 'relu', 'lrelu:0.01', 'lrelu:0.2', 'elu', 'tanh', 'sigmoid', 'swish', 'gelu'];
const STARTS = [
  [1, 0, 1, 0],
  [-1, 0, -1, 0],
  [1, 0, -1, 0],
  [2, -1, 0.5, 0],
] as const;
const ITERATIONS = 200;
/** Of c and d, for derivatives by differences. */
const STEP = 1e-6;

/**
 * The function a·f(c·x + d) + b, f among the known ones, that is nearest to `g` in the mean square over the inputs: give
 * recorded inputs, and what happens where no inputs are does not count.
 *
 * @param inputs at which the functions are compared, each as heavy as often as it is there
 * @param names default: every function that `pau({ init })` knows by name
 * @throws OptionsError without inputs or names, or where `g` is not finite
 */
export function closestFunction(
  g: (x: number) => number,
  inputs: readonly number[],
  names: readonly string[] = NAMES,
): ClosestFunction {
  const ys = inputs.map(g);
  if (inputs.length === 0 || names.length === 0) {
    throw new OptionsError(
      `closestFunction: needs inputs to compare at and functions to compare with, got ${inputs.length} and ${names.length}`,
    );
  }
  const wrong = ys.findIndex(y => !Number.isFinite(y));
  if (wrong >= 0) {
    throw new OptionsError(
      `closestFunction: the activation is ${ys[wrong]} at ${inputs[wrong]}; leave that input out`,
    );
  }
  const found = names.flatMap(name => STARTS.map(start => matched(name, start, inputs, ys)));
  return found.reduce((best, each) => (each.rmsError < best.rmsError ? each : best));
}

function matched(
  name: string,
  start: readonly number[],
  inputs: readonly number[],
  ys: readonly number[],
): ClosestFunction {
  const f = functionByName(name);
  const parameters = descend(
    start,
    ([a, b, c, d]) => {
      const inner = inputs.map(x => f(c! * x + d!));
      return {
        values: inner.map((value, i) => a! * value + b! - ys[i]!),
        rows: inner.map((value, i) => {
          const at = c! * inputs[i]! + d!;
          const slope = (a! * (f(at + STEP) - f(at - STEP))) / (2 * STEP);
          return [value, 1, slope * inputs[i]!, slope];
        }),
      };
    },
    ITERATIONS,
  );
  const [a, b, c, d] = parameters as [number, number, number, number];
  const errors = inputs.map((x, i) => (a * f(c * x + d) + b - ys[i]!) ** 2);
  const rmsError = Math.sqrt(errors.reduce((sum, error) => sum + error, 0) / errors.length);
  return { name, a, b, c, d, rmsError: Number.isFinite(rmsError) ? rmsError : Infinity };
}
