/**
 * Reads a safetensors file: https://github.com/huggingface/safetensors#format. Eight bytes of header length (little
 * endian), a JSON header of dtype, shape and place of every tensor, then the tensors.
 */
import { z } from 'zod';
import { PadezooError } from './errors.js';

/** The file is not what the format says. */
export class SafetensorsError extends PadezooError {
  override readonly name = 'SafetensorsError';
}

export interface StoredTensor {
  readonly shape: readonly number[];
  /** In row-major order, converted to float32 when it is called. */
  values(): Float32Array;
}

const MAX_HEADER_BYTES = 100_000_000; // the format's own limit

const Entry = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const Header = z.record(z.string(), z.unknown());

/** Bytes of an element, and how a view of elements becomes numbers. */
const DTYPES: Readonly<Record<string, { bytes: number; read(buffer: ArrayBuffer): ArrayLike<number> }>> = {
  F64: { bytes: 8, read: buffer => new Float64Array(buffer) },
  F32: { bytes: 4, read: buffer => new Float32Array(buffer) },
  F16: { bytes: 2, read: buffer => Float32Array.from(new Uint16Array(buffer), halfToNumber) },
  BF16: { bytes: 2, read: brainToFloats },
  I64: { bytes: 8, read: buffer => Float64Array.from(new BigInt64Array(buffer), Number) },
  I32: { bytes: 4, read: buffer => new Int32Array(buffer) },
  U8: { bytes: 1, read: buffer => new Uint8Array(buffer) },
};

/**
 * The tensors by name; nothing is converted yet.
 *
 * @throws SafetensorsError that says what is wrong with the file
 */
export function readSafetensors(file: Uint8Array<ArrayBuffer>): Map<string, StoredTensor> {
  const { header, data } = split(file);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const entry = Entry.safeParse(value);
    if (!entry.success) throw new SafetensorsError(`safetensors: the header's entry '${name}' is malformed`);
    tensors.set(name, tensorAt(name, entry.data, data));
  }
  return tensors;
}

function split(file: Uint8Array<ArrayBuffer>): {
  header: z.output<typeof Header>;
  data: Uint8Array<ArrayBuffer>;
} {
  const length =
    file.length < 8 ? Number.NaN : Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (!(length <= MAX_HEADER_BYTES && 8 + length <= file.length)) {
    throw new SafetensorsError(
      `safetensors: ${file.length} bytes that do not start with a header's length; is it a safetensors file, and whole?`,
    );
  }
  try {
    const header = Header.parse(JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))));
    return { header, data: file.subarray(8 + length) };
  } catch (cause) {
    throw new SafetensorsError('safetensors: the header is not a JSON object', { cause });
  }
}

function tensorAt(
  name: string,
  { dtype, shape, data_offsets }: z.output<typeof Entry>,
  data: Uint8Array<ArrayBuffer>,
) {
  const kind = Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (!kind) {
    throw new SafetensorsError(
      `safetensors: '${name}' has dtype ${dtype}, expected one of ${Object.keys(DTYPES).join(', ')}`,
    );
  }
  const [begin, end] = data_offsets;
  const bytes = shape.reduce((product, size) => product * size, kind.bytes);
  if (end - begin !== bytes || end > data.length) {
    throw new SafetensorsError(
      `safetensors: '${name}' [${shape.join(', ')}] ${dtype} takes ${bytes} bytes, got ${begin} to ${end} of ${data.length}; the file is damaged or cut off`,
    );
  }
  const read = () => {
    const start = data.byteOffset + begin;
    return kind.read(data.buffer.slice(start, start + bytes)); // a copy: it may lie where no float may
  };
  return { shape, values: () => Float32Array.from(read()) };
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The upper half of a float32. */
function brainToFloats(buffer: ArrayBuffer): Float32Array {
  return new Float32Array(Uint32Array.from(new Uint16Array(buffer), bits => bits << 16).buffer);
}
