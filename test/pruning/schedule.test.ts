import test from 'ava';
import fc from 'fast-check';
import { filterScores, highest } from '../../pruning/criteria.js';
import { keptFilters } from '../../pruning/schedule.js';

/** Kept widths at 10..60 %, one-shot with floor; from the published tables for these widths. */
const TABLE: Record<number, number[]> = {
  6: [6, 5, 5, 4, 3, 3],
  16: [15, 13, 12, 10, 8, 7],
  64: [58, 52, 45, 39, 32, 26],
  120: [108, 96, 84, 72, 60, 48],
  2048: [1844, 1639, 1434, 1229, 1024, 820],
};

for (const [width, kept] of Object.entries(TABLE)) {
  test(`of ${width} filters ${kept.join(', ')} are left at 10..60 %`, t => {
    t.deepEqual(
      [10, 20, 30, 40, 50, 60].map(percent => keptFilters(Number(width), percent)),
      kept,
    );
  });
}

test('at least one filter is always left', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 99 }), (width, percent) => {
        const left = keptFilters(width, percent);
        return left >= 1 && left <= width;
      }),
    ),
  );
});

test('a harder step never revives a filter', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 64 }),
        fc.integer({ min: 1, max: 49 }),
        (scores, percent) => {
          const kept = (p: number) => highest(Float64Array.from(scores), keptFilters(scores.length, p));
          const mild = new Set(kept(percent));
          return kept(2 * percent).every(filter => mild.has(filter));
        },
      ),
    ),
  );
});

test("'sum' adds signs, 'l1' magnitudes", t => {
  // kernel [1, 1, 2, 3]: two inputs, three filters
  const kernel = Float32Array.from([1, -2, 3, -4, 5, -6]);
  t.deepEqual([...filterScores(kernel, 3, 'sum')], [-3, 3, -3]);
  t.deepEqual([...filterScores(kernel, 3, 'l1')], [5, 7, 9]);
});

test('of equal scores the first filters are kept', t => {
  t.deepEqual(highest(Float64Array.from([1, 2, 1, 2]), 3), [0, 1, 3]);
});
