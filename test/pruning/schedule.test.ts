import test from 'ava';
import fc from 'fast-check';
import { keptChannels } from '../../pruning/schedule.js';

const PERCENTAGES = [10, 20, 30, 40, 50, 60];

/** Kept widths at 10..60 %, floor; one-shot and compounding, from the published tables for these widths. */
const TABLE: Record<number, { original: number[]; remaining: number[] }> = {
  6: { original: [6, 5, 5, 4, 3, 3], remaining: [6, 5, 4, 3, 2, 1] },
  16: { original: [15, 13, 12, 10, 8, 7], remaining: [15, 12, 9, 6, 3, 2] },
  64: { original: [58, 52, 45, 39, 32, 26], remaining: [58, 47, 33, 20, 10, 4] },
  120: { original: [108, 96, 84, 72, 60, 48], remaining: [108, 87, 61, 37, 19, 8] },
  160: { original: [144, 128, 112, 96, 80, 64], remaining: [144, 116, 82, 50, 25, 10] },
  192: { original: [173, 154, 135, 116, 96, 77], remaining: [173, 139, 98, 59, 30, 12] },
};

const NONE = { percentOf: 'original', minFilters: 1, roundTo: 1 } as const;

for (const [width, schedules] of Object.entries(TABLE)) {
  for (const schedule of ['original', 'remaining'] as const) {
    test(`of ${width} filters ${schedules[schedule].join(', ')} are left, ${schedule}`, t => {
      const original = Number(width);
      let present = original;
      const kept = PERCENTAGES.map(percent => {
        present = keptChannels({ original, present }, percent, { ...NONE, percentOf: schedule });
        return present;
      });
      t.deepEqual(kept, schedules[schedule]);
    });
  }
}

const width = fc.integer({ min: 1, max: 4096 });
const percent = fc.integer({ min: 1, max: 99 });
const bounds = fc.record({
  percentOf: fc.constantFrom('original' as const, 'remaining' as const),
  minFilters: fc.integer({ min: 1, max: 40 }),
  roundTo: fc.integer({ min: 1, max: 64 }),
});

test('at least one filter is left and none is made, whatever the bounds', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(width, width, percent, bounds, (a, b, share, limits) => {
        const present = Math.min(a, b);
        const left = keptChannels({ original: Math.max(a, b), present }, share, limits);
        return left >= Math.min(limits.minFilters, present) && left <= present;
      }),
    ),
  );
});

test('rounding gives multiples, but where the width is none itself', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(width, percent, fc.integer({ min: 1, max: 64 }), (original, share, roundTo) => {
        const left = keptChannels({ original, present: original }, share, { ...NONE, roundTo });
        return left % roundTo === 0 || left === original;
      }),
    ),
  );
  const of = (original: number, share: number, roundTo: number) =>
    keptChannels({ original, present: original }, share, { ...NONE, roundTo });
  t.is(of(16, 90, 16), 16, 'never to zero');
  t.is(of(64, 30, 8), 48, '45 filters');
  t.is(of(64, 10, 8), 56, '58 filters');
});

test('a harder step never keeps more', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(width, percent, percent, bounds, (original, a, b, limits) => {
        const left = (share: number) => keptChannels({ original, present: original }, share, limits);
        return left(Math.max(a, b)) <= left(Math.min(a, b));
      }),
    ),
  );
});
