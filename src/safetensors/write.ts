/** Writes a safetensors file as the format's own library does: tensors by descending size of element, then by name. */
import { bytesOf } from '../bytes.js';
import { DTYPES, type DtypeName, type FloatStorage, floatsToBrains, floatsToHalves } from './dtypes.js';
import { SafetensorsError } from './errors.js';

/** A tensor to be stored, in row-major order. */
export interface TensorToStore {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
  /** Of floats; default float32. */
  readonly storage?: FloatStorage;
}

/** The header's length is a multiple of it, so that what follows is aligned. */
const ALIGNMENT = 8;
const encoder = new TextEncoder();

/**
 * @param metadata texts by name
 * @throws SafetensorsError for a name that no reader takes, or values that do not fit their shape
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorToStore>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const stored = [...tensors].map(([name, tensor]) => ({
    name,
    shape: tensor.shape,
    ...encoded(name, tensor),
  }));
  stored.sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes || (a.name < b.name ? -1 : 1));
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let end = 0;
  for (const { name, dtype, shape, bytes } of stored) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.byteLength] };
    end += bytes.byteLength;
  }
  const json = encoder.encode(JSON.stringify(header));
  const start = ALIGNMENT + Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(start + end).fill(0x20, ALIGNMENT, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - ALIGNMENT), true);
  file.set(json, ALIGNMENT);
  let at = start;
  for (const { bytes } of stored) {
    file.set(bytes, at);
    at += bytes.byteLength;
  }
  return file;
}

function encoded(name: string, { shape, values, storage = 'float32' }: TensorToStore) {
  if (name === '__metadata__' || name === '__proto__')
    throw new SafetensorsError(`safetensors: a tensor cannot be named '${name}'`);
  if (shape.reduce((product, size) => product * size, 1) !== values.length)
    throw new SafetensorsError(`safetensors: '${name}' [${shape.join(', ')}] has ${values.length} values`);
  const [dtype, elements] = elementsOf(values, storage);
  return { dtype, bytes: bytesOf(elements) };
}

function elementsOf(
  values: Float32Array | Int32Array,
  storage: FloatStorage,
): [DtypeName, Float32Array | Int32Array | Uint16Array] {
  if (values instanceof Int32Array) return ['I32', values];
  if (storage === 'float16') return ['F16', floatsToHalves(values)];
  if (storage === 'bfloat16') return ['BF16', floatsToBrains(values)];
  return ['F32', values];
}
