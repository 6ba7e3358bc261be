import test from 'ava';
import { SafetensorsError } from '../../src/safetensors/errors.js';
import { readSafetensors } from '../../src/safetensors/read.js';
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
