/**
 * Recorded operators that become one: batch normalisation with the Padé after it, also where a residual block's other branch
 * is added in between. On a CPU the results are the same bit for bit; on a GPU the coefficients' gradients are summed in
 * another order.
 */
import { scalarType } from './aten.js';
import { isSame, type OperatorCall, Place } from './operatorCall.js';

/** The recorded calls that become one each way. */
interface Match {
  readonly norm: OperatorCall;
  /** normalised + residual, or residual + normalised */
  readonly add: OperatorCall | undefined;
  readonly residual: Place | undefined;
  readonly pade: OperatorCall;
  /** gradient by the result of `pade`, which comes as two terms: of the next block's own branch and of its other one */
  readonly addGradients: OperatorCall | undefined;
  readonly padeBackward: OperatorCall;
  /** What passes the gradient from `padeBackward` to `normBackward` as it is. */
  readonly passing: readonly OperatorCall[];
  readonly normBackward: OperatorCall;
}

/**
 * The calls with every such match in one operator each way (native/operators/batch_norm.cpp), so that neither the normalised
 * values nor their sum with the residual are ever written to memory. Calls are left as they are where somebody else reads
 * what lies between.
 *
 * @param kept ids that are needed after the last call
 */
export function fused(recorded: readonly OperatorCall[], kept: ReadonlySet<number>): readonly OperatorCall[] {
  const calls = withoutRoundTrips(recorded, kept);
  const replacements = new Map<OperatorCall, OperatorCall | undefined>();
  for (const match of matchesIn(calls, kept)) {
    if (replacements.has(match.pade)) continue; // both terms of the sum were normalised
    const { norm, add, residual, pade, addGradients, padeBackward, passing, normBackward } = match;
    const [x, gamma, beta, ...running] = norm.args;
    const [, ...activation] = pade.args.slice(0, COEFFICIENT_ARGS);
    const [y] = pade.results;
    const [, mean, inverse] = norm.results;
    const added = residual ? [residual] : [];
    const name = residual ? 'padezoo::batch_norm_add_pade' : 'padezoo::batch_norm_pade';
    replacements.set(pade, {
      name,
      args: [x, gamma, beta, ...running, ...added, ...activation],
      results: [y!, mean!, inverse!],
    });
    const [dx, dgamma, dbeta] = normBackward.results;
    const [dz, ...byCoefficients] = padeBackward.results;
    const statistics = normBackward.args.slice(3);
    const [dy, otherDy] = addGradients?.args ?? [padeBackward.args[0], null];
    const gradients = residual ? [dy, otherDy] : [dy];
    replacements.set(padeBackward, {
      name: `${name}_backward`,
      args: [...gradients, x, gamma, beta, ...statistics, ...added, ...activation],
      results: [dx!, dgamma!, dbeta!, ...(residual ? [dz!] : []), ...byCoefficients],
    });
    for (const gone of [norm, add, addGradients, ...passing, normBackward])
      if (gone) replacements.set(gone, undefined);
  }
  return calls.flatMap(call => (replacements.has(call) ? (replacements.get(call) ?? []) : call));
}

/** pade::forward's arguments up to the noise: x, numerator, denominator, form, q. */
const COEFFICIENT_ARGS = 5;

function* matchesIn(calls: readonly OperatorCall[], kept: ReadonlySet<number>): Generator<Match> {
  const readers = readersOf(calls);
  const makers = new Map(calls.flatMap(call => call.results.map(id => [id, call] as const)));
  const readersIfGone = (id: number) => (kept.has(id) ? [] : (readers.get(id) ?? []));
  const onlyReaders = (id: number | undefined, ...names: readonly string[]) => {
    const found = id === undefined ? [] : readersIfGone(id);
    return found.length === names.length && names.every((name, i) => found[i]!.name === name)
      ? found
      : undefined;
  };
  /** The sum of two alike that is `place`, if only `reader` reads it. */
  const sumThatOnly = (reader: OperatorCall, { id }: Place) => {
    const add = makers.get(id);
    const isSum = add?.name === 'add.Tensor' && areAlike(add.args);
    return isSum && onlyReaders(id, reader.name) ? add : undefined;
  };
  for (const norm of calls) {
    if (norm.name !== 'padezoo::batch_norm') continue;
    const [z, ...statistics] = norm.results;
    const [add] = onlyReaders(z, 'add.Tensor') ?? [];
    const residual = add && otherTerm(add, z);
    if (add && !residual) continue;
    const activated = add ? add.results[0] : z;
    const [pade, padeBackward] = onlyReaders(activated, 'pade::forward', 'pade::backward') ?? [];
    if (!pade || !padeBackward || !isPlain(pade)) continue;
    if (!isOf(pade.args[0], activated) || !isOf(padeBackward.args[1], activated)) continue;
    if (!isSame(pade.args.slice(1), padeBackward.args.slice(2)) || isReadBetween(calls, norm, pade)) continue;
    const [normBackward] = onlyReaders(statistics[0], 'padezoo::batch_norm_backward') ?? [];
    if (!normBackward || onlyReaders(statistics[1], 'padezoo::batch_norm_backward')?.[0] !== normBackward)
      continue;
    const used = [...norm.args.slice(0, 3), residual, ...pade.args.slice(1, 3)];
    if (isWrittenBetween(calls, norm, normBackward, used)) continue;
    const passing = passedOn(padeBackward.results[0]!, normBackward.args[0] as Place, makers);
    if (!passing) continue;
    // What lies on the way is read by nobody else; nor is its beginning, which only a residual's gradient needs.
    const [dz, ...between] = [padeBackward.results[0]!, ...passing.map(({ results }) => results[0]!)];
    if (between.some(id => readersIfGone(id).length !== 1)) continue;
    if (!residual && readersIfGone(dz!).length !== 1) continue;
    const addGradients = residual && sumThatOnly(padeBackward, padeBackward.args[0] as Place);
    yield { norm, add, residual, pade, addGradients, padeBackward, passing, normBackward };
  }
}

/** Without casts of bfloat16 to float32 and back: the gradient of a clone is a cast to float32. */
function withoutRoundTrips(
  calls: readonly OperatorCall[],
  kept: ReadonlySet<number>,
): readonly OperatorCall[] {
  const widened = new Map<number, Place>();
  const same = new Map<number, Place>();
  const inPlace = (argument: unknown): unknown => {
    if (Array.isArray(argument)) return argument.map(inPlace);
    return argument instanceof Place ? (same.get(argument.id) ?? argument) : argument;
  };
  const needed: OperatorCall[] = [];
  for (const call of calls) {
    const args = call.args.map(inPlace);
    const [given, target] = args;
    const [result] = call.results as [number];
    if (call.name === 'to.dtype' && given instanceof Place && !kept.has(result)) {
      const { dtype } = given.tensor;
      if (dtype === 'bfloat16' && target === scalarType('float32')) widened.set(result, given);
      const before = target === scalarType('bfloat16') ? widened.get(given.id) : undefined;
      if (before) {
        same.set(result, before);
        continue;
      }
    }
    needed.push({ ...call, args });
  }
  if (same.size === 0) return calls;
  const readers = readersOf(needed);
  return needed.filter(({ results: [result] }) => !widened.has(result!) || readers.has(result!));
}

/** Whether a call between the two changes one of these tensors: what is calculated anew behind it would be another. */
function isWrittenBetween(
  calls: readonly OperatorCall[],
  first: OperatorCall,
  last: OperatorCall,
  tensors: readonly unknown[],
): boolean {
  const isUsed = (argument: unknown): boolean =>
    Array.isArray(argument)
      ? argument.some(isUsed)
      : argument instanceof Place && tensors.some(tensor => isSame(tensor, argument));
  const between = calls.slice(calls.indexOf(first) + 1, calls.indexOf(last));
  return between.some(({ name, args }) => writes(name) && args.some(isUsed));
}

/** By ATen's convention, which ours follow but for the running statistics of a batch normalisation. */
const writes = (name: string) => /_(\.\w+)?$/.test(name);

/** What is added to `id`, if it looks like it. */
function otherTerm({ args }: OperatorCall, id: number | undefined): Place | undefined {
  if (!areAlike(args) || isSame(args[0], args[1])) return undefined;
  return args[0].id === id ? args[1] : args[0];
}

/** Whether the arguments are two tensors of one shape and dtype. */
function areAlike(args: readonly unknown[]): args is readonly [Place, Place] {
  const [a, b] = args;
  return (
    args.length === 2 &&
    a instanceof Place &&
    b instanceof Place &&
    a.tensor.dtype === b.tensor.dtype &&
    isSame(a.tensor.shape, b.tensor.shape)
  );
}

/** The calls by which `from` becomes `to` and stays what it is, in their order; none where it is `to` itself. */
function passedOn(
  from: number,
  to: Place,
  makers: ReadonlyMap<number, OperatorCall>,
): OperatorCall[] | undefined {
  if (to.id === from) return [];
  const call = makers.get(to.id);
  const [given, target] = call?.args ?? [];
  if (!call || !(given instanceof Place)) return undefined;
  const isNothing =
    (call.name === 'reshape' && isSame(given.tensor.shape, target)) ||
    (call.name === 'to.dtype' && scalarType(given.tensor.dtype) === target);
  const before = isNothing ? passedOn(from, given, makers) : undefined;
  return before && [...before, call];
}

/** One set of coefficients, no noise. */
function isPlain({ args }: OperatorCall): boolean {
  const [, numerator, , , , key, noise] = args;
  return (numerator as Place).tensor.shape.length === 1 && key == null && !noise;
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
