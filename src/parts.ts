/** Numbers and bytes that come in parts, put together; in Node and in browsers alike. */

/** @param Kind what to make: `Uint8Array`, `Float32Array` */
export function joined<Values extends Uint8Array | Float32Array>(
  Kind: new (length: number) => Values,
  parts: readonly ArrayLike<number>[],
): Values {
  const all = new Kind(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * All that a stream gives.
 *
 * @param limit bytes; a stream that goes on is left
 * @throws what `tooLarge` makes, and what the stream fails with
 */
export async function readWhole(
  stream: ReadableStream<Uint8Array>,
  limit: number,
  tooLarge: () => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let total = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(Uint8Array, parts);
    total += value.byteLength;
    if (total > limit) {
      await reader.cancel();
      throw tooLarge();
    }
    parts.push(value);
  }
}
