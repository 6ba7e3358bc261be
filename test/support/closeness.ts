/** How far numbers are from what they should be, relative to a size that the test names. */
import type { ExecutionContext } from 'ava';

type Numbers = ArrayLike<number>;

/** Smallest normal float32: below it, single precision has fewer digits and may round to 0. */
const SMALLEST = 2 ** -126;

/** Asserts |actual - expected| <= tolerance·scale for every element, and names the worst one where it fails. */
export function within(
  t: ExecutionContext,
  what: string,
  actual: Numbers,
  expected: Numbers,
  { tolerance, scale }: { readonly tolerance: number; readonly scale: Numbers | number },
): void {
  if (actual.length !== expected.length) {
    t.fail(`${what}: has ${actual.length} elements, expected ${expected.length}`);
    return;
  }
  let worst = -1;
  let worstRatio = 0;
  for (let i = 0; i < expected.length; i++) {
    const size = typeof scale === 'number' ? scale : scale[i]!;
    const ratio = Math.abs(actual[i]! - expected[i]!) / (tolerance * size + SMALLEST);
    if (ratio <= worstRatio) continue; // a NaN stays
    worstRatio = ratio;
    worst = i;
    if (Number.isNaN(ratio)) break;
  }
  const detail = worst < 0 ? '' : `[${worst}]: ${actual[worst]}, expected ${expected[worst]}`;
  t.true(
    worstRatio <= 1,
    `${what}${detail}; ${(worstRatio * tolerance).toExponential(1)} of its scale, more than ${tolerance}`,
  );
}

export function largest(values: Numbers): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
}
