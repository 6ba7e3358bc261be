/**
 * Reads a safetensors file: https://github.com/huggingface/safetensors#format. Eight bytes of header length (little
 * endian), a JSON header of dtype, shape and place of every tensor, then the tensors. As strict as the format's own
 * reader, and about what only JavaScript stumbles over: repeated keys, `__proto__`, numbers beyond 2^53.
 */
import { z } from 'zod';
import { DTYPES, type DtypeName } from './dtypes.js';
import { SafetensorsError } from './errors.js';
import { repeatedKey } from './repeatedKey.js';

export interface StoredTensor {
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
  /** In row-major order, converted to float32 when it is called. */
  values(): Float32Array<ArrayBuffer>;
  /** The stored bytes, a copy. */
  bytes(): Uint8Array<ArrayBuffer>;
}

export interface SafetensorsFile {
  readonly tensors: Map<string, StoredTensor>;
  /** What the writer noted about the whole file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA = '__metadata__';

const Entry = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
type Entry = z.output<typeof Entry>;

/**
 * The tensors by name; nothing is converted yet.
 *
 * @throws SafetensorsError that says what is wrong with the file
 */
export function readSafetensors(file: Uint8Array<ArrayBuffer>): Map<string, StoredTensor> {
  return parseSafetensors(file).tensors;
}

/** As `readSafetensors`, with what the writer noted. */
export function parseSafetensors(file: Uint8Array<ArrayBuffer>): SafetensorsFile {
  const { header, data } = split(file);
  let metadata: Readonly<Record<string, string>> = {};
  const entries: [string, Entry][] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__proto__') throw new SafetensorsError("safetensors: a tensor is named '__proto__'");
    if (name === METADATA) {
      const noted = z.record(z.string(), z.string()).safeParse(value);
      if (!noted.success) throw new SafetensorsError(`safetensors: ${METADATA} must hold texts by name`);
      metadata = noted.data;
      continue;
    }
    const entry = Entry.safeParse(value);
    if (!entry.success) throw new SafetensorsError(`safetensors: the header's entry '${name}' is malformed`);
    entries.push([name, entry.data]);
  }
  const tensors = new Map(entries.map(([name, entry]) => [name, tensorAt(name, entry, data)]));
  checkPlaces(entries, data.length);
  return { tensors, metadata };
}

function split(file: Uint8Array<ArrayBuffer>): {
  header: Record<string, unknown>;
  data: Uint8Array<ArrayBuffer>;
} {
  const length =
    file.length < 8 ? Number.NaN : Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (!(length <= MAX_HEADER_BYTES && 8 + length <= file.length)) {
    throw new SafetensorsError(
      `safetensors: ${file.length} bytes that do not start with a header's length; is it a safetensors file, and whole?`,
    );
  }
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.subarray(8, 8 + length));
    header = JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError('safetensors: the header is not a JSON object', { cause });
  }
  if (!text.startsWith('{')) throw new SafetensorsError('safetensors: the header is not a JSON object');
  const repeated = repeatedKey(text);
  if (repeated !== undefined)
    throw new SafetensorsError(`safetensors: the header has '${repeated}' twice; expected every name once`);
  return { header: header as Record<string, unknown>, data: file.subarray(8 + length) };
}

function tensorAt(name: string, { dtype, shape, data_offsets }: Entry, data: Uint8Array<ArrayBuffer>) {
  if (!Object.hasOwn(DTYPES, dtype)) {
    throw new SafetensorsError(
      `safetensors: '${name}' has dtype ${dtype}, expected one of ${Object.keys(DTYPES).join(', ')}`,
    );
  }
  const known = dtype as DtypeName;
  const [begin, end] = data_offsets;
  const bytes = shape.reduce((product, size) => product * size, DTYPES[known].bytes);
  if (end - begin !== bytes || end > data.length) {
    throw new SafetensorsError(
      `safetensors: '${name}' [${shape.join(', ')}] ${dtype} takes ${bytes} bytes, got ${begin} to ${end} of ${data.length}; the file is damaged or cut off`,
    );
  }
  /** A copy, because it may lie where no float may. */
  const copy = () => data.slice(begin, end);
  return {
    dtype: known,
    shape,
    values: () => Float32Array.from(DTYPES[known].read(copy().buffer)),
    bytes: copy,
  };
}

/** Tensors follow each other from the first byte to the last, without holes and without sharing any. */
function checkPlaces(entries: readonly (readonly [string, Entry])[], bytes: number): void {
  const places = entries
    .map(([name, { data_offsets }]) => ({ name, begin: data_offsets[0], end: data_offsets[1] }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of places) {
    if (begin !== at) {
      throw new SafetensorsError(
        `safetensors: '${name}' starts at byte ${begin} of the data, expected ${at}, where the one before ends`,
      );
    }
    at = end;
  }
  if (at !== bytes)
    throw new SafetensorsError(`safetensors: the tensors end at byte ${at} of the data, expected ${bytes}`);
}
