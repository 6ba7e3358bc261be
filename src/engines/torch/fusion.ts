/**
 * Pairs of recorded operators that become one: batch normalisation with the Padé after it. On a CPU the results are the same bit
 * for bit; on a GPU the coefficients' gradients are summed in another order.
 */
import { isSame, type OperatorCall, Place } from './operatorCall.js';

/** The recorded calls that make a pair: forward and backward of both. */
interface Pair {
  readonly norm: OperatorCall;
  readonly pade: OperatorCall;
  readonly padeBackward: OperatorCall;
  readonly normBackward: OperatorCall;
}

/**
 * The calls with every such pair in one operator each way (native/operators/batch_norm.cpp), so that the normalised
 * values are never written to memory. A pair is left as it is where somebody else reads what lies between.
 *
 * @param kept ids that are needed after the last call
 */
export function fused(calls: readonly OperatorCall[], kept: ReadonlySet<number>): readonly OperatorCall[] {
  const replacements = new Map<OperatorCall, OperatorCall | undefined>();
  for (const { norm, pade, padeBackward, normBackward } of pairsIn(calls, kept)) {
    const [x, gamma, beta, ...running] = norm.args;
    const [, ...activation] = pade.args.slice(0, COEFFICIENT_ARGS);
    const [y] = pade.results;
    const [, mean, inverse] = norm.results;
    replacements.set(norm, undefined);
    replacements.set(pade, {
      name: 'padezoo::batch_norm_pade',
      args: [x, gamma, beta, ...running, ...activation],
      results: [y!, mean!, inverse!],
    });
    const [dx, dgamma, dbeta] = normBackward.results;
    const [, ...byCoefficients] = padeBackward.results;
    replacements.set(padeBackward, {
      name: 'padezoo::batch_norm_pade_backward',
      args: [
        padeBackward.args[0],
        x,
        gamma,
        beta,
        new Place(mean!, 1),
        new Place(inverse!, 1),
        ...activation,
      ],
      results: [dx!, dgamma!, dbeta!, ...byCoefficients],
    });
    replacements.set(normBackward, undefined);
  }
  return calls.flatMap(call => (replacements.has(call) ? (replacements.get(call) ?? []) : call));
}

/** pade::forward's arguments up to the noise: x, numerator, denominator, form, q. */
const COEFFICIENT_ARGS = 5;

function* pairsIn(calls: readonly OperatorCall[], kept: ReadonlySet<number>): Generator<Pair> {
  const readers = readersOf(calls);
  const onlyReaders = (id: number | undefined, ...names: readonly string[]) => {
    const found = (id !== undefined && !kept.has(id) && readers.get(id)) || [];
    return found.length === names.length && names.every((name, i) => found[i]!.name === name)
      ? found
      : undefined;
  };
  for (const norm of calls) {
    if (norm.name !== 'padezoo::batch_norm') continue;
    const [z, ...statistics] = norm.results;
    const [pade, padeBackward] = onlyReaders(z, 'pade::forward', 'pade::backward') ?? [];
    if (!pade || !padeBackward || !isPlain(pade) || !isOf(pade.args[0], z) || !isOf(padeBackward.args[1], z))
      continue;
    if (!isSame(pade.args.slice(1), padeBackward.args.slice(2)) || isReadBetween(calls, norm, pade)) continue;
    const [normBackward] = onlyReaders(padeBackward.results[0], 'padezoo::batch_norm_backward') ?? [];
    if (!normBackward || !isOf(normBackward.args[0], padeBackward.results[0])) continue;
    if (statistics.some(id => !onlyReaders(id, 'padezoo::batch_norm_backward')?.includes(normBackward)))
      continue;
    yield { norm, pade, padeBackward, normBackward };
  }
}

/** One set of coefficients, no noise. */
function isPlain({ args }: OperatorCall): boolean {
  const [, numerator, , , , key, noise] = args;
  return (numerator as Place).rank === 1 && key == null && !noise;
}

/** Whether a call between the two, which will be where the second is, takes the statistics that the first changes. */
function isReadBetween(calls: readonly OperatorCall[], norm: OperatorCall, pade: OperatorCall): boolean {
  const [, , , mean, variance] = norm.args;
  return calls
    .slice(calls.indexOf(norm) + 1, calls.indexOf(pade))
    .some(({ args }) => args.flat().some(argument => isSame(argument, mean) || isSame(argument, variance)));
}

function isOf(argument: unknown, id: number | undefined): boolean {
  return argument instanceof Place && argument.id === id;
}

/** The calls that take each tensor, in order, one entry for each time that they do. */
function readersOf(calls: readonly OperatorCall[]): ReadonlyMap<number, OperatorCall[]> {
  const readers = new Map<number, OperatorCall[]>();
  for (const call of calls) {
    const note = (argument: unknown): void => {
      if (Array.isArray(argument)) argument.forEach(note);
      if (argument instanceof Place) readers.set(argument.id, [...(readers.get(argument.id) ?? []), call]);
    };
    call.args.forEach(note);
  }
  return readers;
}
