/** Writes safetensors files for tests of what reads them. */

export interface Written {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** float32 tensors one after the other, the header padded to eight bytes. */
export function writeSafetensors(tensors: ReadonlyMap<string, Written>): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const [name, { shape, values }] of tensors) {
    const begin = end;
    end += values.byteLength;
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  return assembled(
    header,
    [...tensors.values()].map(({ values }) => values),
    end,
  );
}

/** A file of the given header, whatever it says. */
export function assembled(
  header: unknown,
  parts: readonly ArrayBufferView[],
  bytes: number,
): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const file = new Uint8Array(8 + json.length + bytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  let at = 8 + json.length;
  for (const part of parts) {
    file.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return file;
}
