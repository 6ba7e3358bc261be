/** How tfjs stores weights: as they are, as halves, or as bytes between a smallest and a largest number. */
import { z } from 'zod';
import { bytesOf } from '../../bytes.js';
import { floatsToHalves, halfToNumber } from '../../safetensors/dtypes.js';
import { type Constant, sizeOf } from '../graph/graph.js';
import { GraphReadingError } from '../graph/reading.js';

const MAX_RANK = 6;

export const WeightSpec = z.strictObject({
  name: z.string().min(1),
  shape: z.array(z.int().nonnegative()).max(MAX_RANK),
  dtype: z.enum(['float32', 'int32']),
  quantization: z
    .union([
      z.strictObject({ dtype: z.literal('float16') }),
      z.strictObject({ dtype: z.literal('uint8'), scale: z.number(), min: z.number() }),
    ])
    .optional(),
});
export type WeightSpec = z.output<typeof WeightSpec>;

export interface StoredWeight {
  readonly spec: WeightSpec;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type WeightStorage = 'float32' | 'float16' | 'uint8';

const BYTES = { float16: 2, uint8: 1 } as const;
const STEPS = 255;

/** @param storage `'uint8'` is for kernels; tfjs dequantises to float32 when it loads */
export function storeFloats(name: string, { shape, values }: Constant, storage: WeightStorage): StoredWeight {
  const spec = { name, shape: [...shape], dtype: 'float32' as const };
  if (storage === 'float16') {
    return { spec: { ...spec, quantization: { dtype: 'float16' } }, bytes: bytesOf(floatsToHalves(values)) };
  }
  if (storage === 'float32') return { spec, bytes: bytesOf(values) };
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const scale = max > min ? (max - min) / STEPS : 1;
  const bytes = Uint8Array.from(values, value => Math.round((value - min) / scale));
  return { spec: { ...spec, quantization: { dtype: 'uint8', scale, min } }, bytes };
}

export function storeIntegers(name: string, shape: readonly number[], values: Int32Array): StoredWeight {
  return { spec: { name, shape: [...shape], dtype: 'int32' }, bytes: bytesOf(values) };
}

/**
 * The weights by name, as float32.
 * @throws GraphReadingError when they are not exactly the bytes
 */
export function constantsOf(
  specs: readonly WeightSpec[],
  data: Uint8Array<ArrayBuffer>,
): Map<string, Constant> {
  const sizes = specs.map(
    ({ shape, quantization }) => sizeOf(shape) * (quantization ? BYTES[quantization.dtype] : 4),
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const field = 'weightsManifest[0].weights';
  if (total !== data.byteLength)
    throw new GraphReadingError(field, `needs ${total} bytes, the shards have ${data.byteLength}`);
  const constants = new Map<string, Constant>();
  let at = 0;
  for (const [i, spec] of specs.entries()) {
    if (constants.has(spec.name))
      throw new GraphReadingError(`${field}[${i}].name`, `${spec.name} is there twice`);
    const bytes = data.slice(at, at + sizes[i]!).buffer; // a copy: it may not be aligned
    constants.set(spec.name, { shape: spec.shape, values: floatsOf(spec, bytes) });
    at += sizes[i]!;
  }
  return constants;
}

function floatsOf({ dtype, quantization }: WeightSpec, bytes: ArrayBuffer): Float32Array {
  if (quantization?.dtype === 'float16') return Float32Array.from(new Uint16Array(bytes), halfToNumber);
  if (quantization) {
    const { scale, min } = quantization;
    return Float32Array.from(new Uint8Array(bytes), step => step * scale + min);
  }
  return dtype === 'int32' ? Float32Array.from(new Int32Array(bytes)) : new Float32Array(bytes);
}
