/** Scalars as TensorBoard reads them: an event file of TFRecords, each a protobuf `Event`, written without either library. */
import { joined } from '../parts.js';

export interface Scalar {
  readonly tag: string;
  readonly step: number;
  readonly value: number;
  /** Seconds since 1970. */
  readonly time: number;
}

/**
 * The bytes of an `events.out.tfevents.*` file; the same scalars give the same bytes, so a file can be written anew
 * whenever there are more.
 *
 * Record: length (8 bytes, little-endian), its masked CRC32C, the event, its masked CRC32C (TensorFlow,
 * `core/lib/io/record_writer.h`). Event: wall_time = 1 (double), step = 2 (int64), file_version = 3, summary = 5;
 * Summary.value = 1; Value: tag = 1, simple_value = 2 (float).
 */
export function eventFile(scalars: readonly Scalar[]): Uint8Array<ArrayBuffer> {
  const first = scalars[0]?.time ?? 0;
  const records = [
    record([...double(1, first), ...text(3, 'brain.Event:2')]),
    ...scalars.map(({ tag, step, value, time }) => {
      const entry = [...text(1, tag), ...float(2, value)];
      return record([...double(1, time), ...integer(2, step), ...nested(5, nested(1, entry))]);
    }),
  ];
  return joined(Uint8Array, records);
}

function record(event: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(12 + event.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, event.length, true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  bytes.set(event, 12);
  view.setUint32(12 + event.length, masked(crc32c(bytes.subarray(12, 12 + event.length))), true);
  return bytes;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const key = (field: number, wire: number) => field * 8 + wire;
const integer = (field: number, value: number) => [key(field, VARINT), ...varint(value)];
const nested = (field: number, bytes: readonly number[]) => [
  key(field, BYTES),
  ...varint(bytes.length),
  ...bytes,
];
const text = (field: number, value: string) => nested(field, [...new TextEncoder().encode(value)]);

function double(field: number, value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, true);
  return [key(field, FIXED64), ...new Uint8Array(view.buffer)];
}

function float(field: number, value: number): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value, true);
  return [key(field, FIXED32), ...new Uint8Array(view.buffer)];
}

/** Castagnoli's polynomial, its bits reversed. */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1;
  return rest;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** As TFRecord stores it: rotated by 15 bits, plus a constant. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
