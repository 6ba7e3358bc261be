/** Named lists of float32 and int32 as one file in the safetensors format: a length, a JSON header, the numbers one after the other. */
import { PadezooError } from '../errors.js';

/** A file that is not what it should be. */
export class SafetensorsError extends PadezooError {
  override readonly name = 'SafetensorsError';
}

/** Bytes of the header's own length, little-endian. */
const LENGTH = 8;
/** What the format's reference implementation accepts. */
const MAX_HEADER_BYTES = 100_000_000;

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** @param metadata text by name, as the format has it */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Float32Array | Int32Array>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, values] of tensors) {
    header[name] = {
      dtype: 'F32',
      shape: [values.length],
      data_offsets: [offset, offset + values.byteLength],
    };
    offset += values.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / LENGTH) * LENGTH;
  const bytes = new Uint8Array(LENGTH + padded + offset).fill(0x20, LENGTH, LENGTH + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, LENGTH);
  let at = LENGTH + padded;
  for (const values of tensors.values()) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return bytes;
}

/** @throws SafetensorsError when the bytes are not a whole file of float32 and int32 lists */
export function decodeSafetensors(bytes: Uint8Array): {
  readonly tensors: Map<string, Float32Array | Int32Array>;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const fail = (problem: string, cause?: unknown): never => {
    throw new SafetensorsError(`safetensors: ${problem}; delete the file and start the step again`, {
      cause,
    });
  };
  if (bytes.length < LENGTH) fail(`${bytes.length} bytes are too few for a header`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const start = LENGTH + length;
  if (length > MAX_HEADER_BYTES || start > bytes.length) fail(`a header of ${length} bytes does not fit`);
  let header: Record<string, unknown> = {};
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(LENGTH, start)));
  } catch (cause) {
    fail('the header is not JSON', cause);
  }
  const { __metadata__: metadata = {}, ...entries } = header as Record<string, Entry> & {
    __metadata__?: Record<string, string>;
  };
  const tensors = new Map<string, Float32Array | Int32Array>();
  let end = 0;
  for (const [name, { dtype, data_offsets: offsets }] of Object.entries(entries)) {
    const [from, to] = offsets;
    if (!(dtype === 'F32' || dtype === 'I32') || from !== end || (to - from) % 4 !== 0)
      fail(`${name} is not a list of float32 or int32 in its place`);
    end = to;
    if (start + to > bytes.length) fail(`${name} ends behind the file`);
    const { buffer } = new Uint8Array(bytes.subarray(start + from, start + to));
    tensors.set(name, dtype === 'I32' ? new Int32Array(buffer) : new Float32Array(buffer));
  }
  if (start + end !== bytes.length) fail(`${bytes.length - start - end} bytes are left over`);
  return { tensors, metadata };
}
