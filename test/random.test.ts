/** The generator against its published vectors, and the laws of what is built on it. */
import test from 'ava';
import fc from 'fast-check';
import { OptionsError } from '../src/errors.js';
import { normal, permutation, philox4x32, RandomStream, uniform } from '../src/random.js';

// Random123 1.14.0, tests/kat_vectors, the lines `philox4x32 10`: counter, key, block.
const VECTORS = [
  '00000000 00000000 00000000 00000000  00000000 00000000  6627e8d5 e169c58d bc57ac4c 9b00dbd8',
  'ffffffff ffffffff ffffffff ffffffff  ffffffff ffffffff  408f276d 41c83b0e a20bc7c6 6d5451fd',
  '243f6a88 85a308d3 13198a2e 03707344  a4093822 299f31d0  d16cfe09 94fdcceb 5001e420 24126ea1',
];
for (const line of VECTORS) {
  const [c0, c1, c2, c3, k0, k1, ...block] = line.split(/ +/).map(word => Number.parseInt(word, 16));
  test(`philox4x32 of counter ${line.slice(0, 35)} is the block that Random123 publishes`, t => {
    t.deepEqual([...philox4x32([c0!, c1!, c2!, c3!], [k0!, k1!])], block);
  });
}

test('a stream without a name is Philox in counter mode under the seed', t => {
  const seed = 0x1234_89ab_cdef;
  const random = new RandomStream(seed);
  const drawn = Array.from({ length: 12 }, () => random.uint32());
  const blocks = [0, 1, 2].flatMap(i => philox4x32([i, 0, 0, 0], [0x89abcdef, 0x1234]));
  t.deepEqual(drawn, blocks);
});

const key = fc.record({ seed: fc.maxSafeNat(), epoch: fc.nat() });

test('an order is a permutation', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.nat({ max: 500 }), key, (n, { seed, epoch }) => {
        const sorted = permutation(n, seed, epoch).sort();
        return sorted.length === n && sorted.every((value, i) => value === i);
      }),
    ),
  );
});

test('an order is the same for the same seed and epoch', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.nat({ max: 500 }), key, (n, { seed, epoch }) =>
        same(permutation(n, seed, epoch), permutation(n, seed, epoch)),
      ),
    ),
  );
});

test('an order differs from the next epoch’s and from the next seed’s', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 500 }), key, (n, { seed, epoch }) => {
        const order = permutation(n, seed, epoch);
        const otherSeed = seed === 0 ? 1 : seed - 1;
        return (
          !same(order, permutation(n, seed, epoch + 1)) && !same(order, permutation(n, otherSeed, epoch))
        );
      }),
    ),
  );
});

test('the six orders of three things are equally likely', t => {
  const draws = 6000;
  const counts = new Map<string, number>();
  for (let seed = 0; seed < draws; seed++) {
    const order = permutation(3, seed, 0).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  const expected = draws / 6;
  const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  t.is(counts.size, 6);
  t.true(chiSquared < 20.5, `chi squared ${chiSquared}, 20.5 is the 0.999 quantile of 5 degrees of freedom`);
});

test('below stays below its limit, also where the limit does not divide 2^32', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.maxSafeNat(), (limit, seed) => {
        const value = new RandomStream(seed).below(limit);
        return Number.isInteger(value) && value >= 0 && value < limit;
      }),
    ),
  );
});

test('below(2^32 - 1) is the product’s upper half, counted with BigInt', t => {
  const limit = 2 ** 32 - 1;
  for (let seed = 0; seed < 1000; seed++) {
    const word = new RandomStream(seed).uint32();
    t.is(new RandomStream(seed).below(limit), Number((BigInt(word) * BigInt(limit)) >> 32n));
  }
});

test('streams with different names, order or boundaries are different', t => {
  const streams = [
    [],
    ['a'],
    ['b'],
    ['a', 'b'],
    ['b', 'a'],
    ['ab'],
    ['a', ''],
    [1],
    [1, 2],
    [2, 1],
    ['1'],
    [2 ** 32 + 1],
  ];
  const first = streams.map(stream => new RandomStream(7, ...stream).uint32());
  t.is(new Set(first).size, streams.length);
});

test('uniform has the mean and deviation of its interval and stays inside it', t => {
  const values = uniform(new Float32Array(100_000), { low: -2, high: 6 }, 1, 'w');
  const { mean, deviation } = moments(values);
  t.true(Math.abs(mean - 2) < 0.03); // four standard errors
  t.true(Math.abs(deviation - 8 / Math.sqrt(12)) < 0.02);
  t.true(values.every(value => value >= -2 && value < 6));
});

test('normal has the mean, the deviation and the tails of its distribution', t => {
  const values = normal(new Float32Array(100_000), { mean: 3, deviation: 2 }, 1, 'w');
  const { mean, deviation } = moments(values);
  t.true(Math.abs(mean - 3) < 0.026); // four standard errors
  t.true(Math.abs(deviation - 2) < 0.018);
  const beyondTwo = values.filter(value => Math.abs(value - 3) > 4).length / values.length;
  t.true(Math.abs(beyondTwo - 0.0455) < 0.0027); // 2 (1 - Phi(2)), four standard errors
});

for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) {
  test(`the seed ${seed} is refused`, t => {
    t.throws(() => permutation(3, seed, 0), { instanceOf: OptionsError, message: /seed.*got/ });
  });
}

function same(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

function moments(values: Float32Array) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}
