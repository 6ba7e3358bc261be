import test from 'ava';
import { crc32c, eventFile } from '../../src/report/tensorboard.js';

test('crc32c has the check value of RFC 3720', t => {
  t.is(crc32c(new TextEncoder().encode('123456789')), 0xe3069283);
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa, 'appendix B.4: 32 bytes of zeros');
});

test('an event file is records of length, checksum, event, checksum, by hand', t => {
  const bytes = eventFile([{ tag: 'loss', step: 300, value: 0.5, time: 2 }]);
  const view = new DataView(bytes.buffer);
  const events: number[][] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    for (const [from, to, sum] of [
      [at, at + 8, at + 8],
      [at + 12, at + 12 + length, at + 12 + length],
    ] as const) {
      const crc = BigInt(crc32c(bytes.subarray(from, to)));
      const rotated = ((crc >> 15n) | (crc << 17n)) & 0xffffffffn;
      t.is(BigInt(view.getUint32(sum, true)), (rotated + 0xa282ead8n) & 0xffffffffn);
    }
    events.push([...bytes.subarray(at + 12, at + 12 + length)]);
    at += 12 + length + 4;
  }
  const two = [0, 0, 0, 0, 0, 0, 0, 0x40]; // 2 as a double
  const text = (value: string) => [...new TextEncoder().encode(value)];
  t.deepEqual(events, [
    [0x09, ...two, 0x1a, 13, ...text('brain.Event:2')],
    // step 300 = 0b10_0101100; summary { value { tag: 'loss', simple_value: 0.5 } }
    [0x09, ...two, 0x10, 0xac, 0x02, 0x2a, 13, 0x0a, 11, 0x0a, 4, ...text('loss'), 0x15, 0, 0, 0, 0x3f],
  ]);
});
