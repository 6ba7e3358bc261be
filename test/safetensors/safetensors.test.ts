import test from 'ava';
import fc from 'fast-check';
import { floatsToHalves, halfToNumber } from '../../src/safetensors/dtypes.js';
import { SafetensorsError } from '../../src/safetensors/errors.js';
import { parseSafetensors, readSafetensors } from '../../src/safetensors/read.js';
import { writeSafetensors as writeStored } from '../../src/safetensors/write.js';
import { decodeState, encodeState } from '../../src/training/state.js';
import { assembled, writeSafetensors } from '../support/safetensors.js';

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

test('tensors of every dtype are read as float32', t => {
  const parts = [
    Float64Array.of(0.5, -2),
    Float32Array.of(1.5),
    Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00), // 1, -2, 65504, the smallest subnormal, infinity
    Uint16Array.of(0x3fc0), // 1.5
    Int32Array.of(-7),
    Uint8Array.of(255),
    BigInt64Array.of(12n), // not where its size would have it
  ];
  const header = {
    f64: entry('F64', [2], 0, 16),
    f32: entry('F32', [1, 1], 16, 20),
    f16: entry('F16', [5], 20, 30),
    bf16: entry('BF16', [], 30, 32),
    i32: entry('I32', [1], 32, 36),
    u8: entry('U8', [1], 36, 37),
    i64: entry('I64', [1], 37, 45),
  };
  const tensors = readSafetensors(assembled(header, parts, 45));
  const read = Object.fromEntries([...tensors].map(([name, tensor]) => [name, [...tensor.values()]]));
  t.deepEqual(read, {
    f64: [0.5, -2],
    f32: [1.5],
    f16: [1, -2, 65504, 2 ** -24, Number.POSITIVE_INFINITY],
    bf16: [1.5],
    i32: [-7],
    u8: [255],
    i64: [12],
  });
  t.deepEqual(tensors.get('f32')!.shape, [1, 1]);
});

const whole = writeSafetensors(new Map([['w', { shape: [2], values: Float32Array.of(1, 2) }]]));
const REFUSED: [string, Uint8Array<ArrayBuffer>, RegExp][] = [
  ['nothing', new Uint8Array(0), /0 bytes that do not start with a header's length/],
  ['a pickle', new TextEncoder().encode('PK\x03\x04 this is a zip of pickles'), /is it a safetensors file/],
  ['a file that is cut off', whole.slice(0, -1), /'w' \[2\] F32 takes 8 bytes, got 0 to 8 of 7/],
  ['another dtype', assembled({ w: entry('F8', [1], 0, 1) }, [], 1), /'w' has dtype F8, expected one of F64/],
  ['a malformed entry', assembled({ w: { dtype: 'F32' } }, [], 0), /entry 'w' is malformed/],
  ['a header that is a list', assembled([1], [], 0), /not a JSON object/],
  ['offsets that go back', assembled({ w: entry('F32', [1], 4, 0) }, [], 4), /takes 4 bytes, got 4 to 0/],
];
for (const [what, file, message] of REFUSED) {
  test(`${what} is refused`, t => {
    t.throws(() => readSafetensors(file), { instanceOf: SafetensorsError, message });
  });
}

/** Every finite binary16 with its bits, in rising order. */
const HALVES = Array.from({ length: 0x10000 }, (_, bits) => ({ bits, value: halfToNumber(bits) }))
  .filter(({ bits, value }) => Number.isFinite(value) && bits !== 0x8000)
  .sort((a, b) => a.value - b.value);

test('floats become the nearest half, at a tie the even one', t => {
  const nearest = (x: number): number => {
    let [low, high] = [0, HALVES.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (HALVES[middle]!.value <= x) low = middle;
      else high = middle;
    }
    const [a, b] = [HALVES[low]!, HALVES[high]!];
    const difference = x - a.value - (b.value - x);
    return difference < 0 ? a.value : difference > 0 ? b.value : a.bits % 2 === 0 ? a.value : b.value;
  };
  const float = fc.float({ min: -65504, max: 65504, noNaN: true });
  const tie = fc.nat(HALVES.length - 2).map(i => Math.fround((HALVES[i]!.value + HALVES[i + 1]!.value) / 2));
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.oneof(float, tie, fc.float({ min: Math.fround(-1e-4), max: Math.fround(1e-4), noNaN: true })),
        x => {
          const [bits] = floatsToHalves(Float32Array.of(x));
          return halfToNumber(bits!) === nearest(x);
        },
      ),
      { numRuns: 5000 },
    ),
  );
  const special = floatsToHalves(Float32Array.of(65520, -1e30, Number.NaN, Infinity, -0));
  t.deepEqual([...special].map(halfToNumber).map(String), ['Infinity', '-Infinity', 'NaN', 'Infinity', '0']);
});

test('what is written is read back, in each storage to its digits', t => {
  const values = Float32Array.of(0.1, -3.25, 1e-8, 300);
  const file = writeStored(
    new Map([
      ['b', { shape: [2, 2], values }],
      ['half', { shape: [4], values, storage: 'float16' }],
      ['brain', { shape: [4], values, storage: 'bfloat16' }],
      ['counts', { shape: [2], values: Int32Array.of(-1, 2 ** 31 - 1) }],
      ['none', { shape: [0, 3], values: new Float32Array(0) }],
      ['one', { shape: [], values: Float32Array.of(7) }],
    ]),
    { note: 'text' },
  );
  const { tensors, metadata } = parseSafetensors(file);
  t.deepEqual(metadata, { note: 'text' });
  t.deepEqual([...tensors.get('b')!.values()], [...values]);
  t.deepEqual([...new Int32Array(tensors.get('counts')!.bytes().buffer)], [-1, 2 ** 31 - 1]);
  t.deepEqual([...tensors.get('none')!.shape], [0, 3]);
  t.deepEqual([...tensors.get('one')!.values()], [7]);
  for (const [name, digits] of [
    ['half', 2 ** -11],
    ['brain', 2 ** -8],
  ] as const)
    for (const [i, value] of tensors.get(name)!.values().entries())
      t.true(Math.abs(value - values[i]!) <= digits * Math.abs(values[i]!) + 2 ** -25, `${name} ${value}`);
  t.throws(() => writeStored(new Map([['__proto__', { shape: [1], values }]])), {
    instanceOf: SafetensorsError,
  });
});

test('a training state keeps its int32 lists', t => {
  const state = {
    epoch: 2,
    epochs: [],
    weights: [
      Float32Array.of(1.5),
      Int32Array.of(-7, 3),
      ...Array.from({ length: 10 }, (_, i) => Float32Array.of(i)),
    ],
    optimizer: { step: 9, moments: [[Float32Array.of(0.5)]] },
  };
  t.deepEqual(decodeState(encodeState(state)), state);
});
