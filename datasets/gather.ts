/** Turns stored images into the float32 pixels of a batch: chosen rows, normalised. */
import { lookUp, normalisingTable } from '../src/ops/pixels.js';

/** How images are stored, and how they are to be seen. */
export interface Pixels {
  /** `[height, width, channels]` as stored */
  readonly stored: readonly [number, number, number];
  /** Per channel, of pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * `(images, rows) -> [rows.length, height, width, channels]`, each value (pixel - mean) / std.
 * Bytes are scaled by 1 / 255 first; floats are taken as they are.
 */
export type Gather = (images: Uint8Array | Float32Array, rows: Uint32Array) => Float32Array;

export function createGather(pixels: Pixels): Gather {
  const { mean, std } = pixels;
  const [height, width, channels] = pixels.stored;
  const imageValues = height * width * channels;
  const table = normalisingTable(mean, std);

  return (images, rows) => {
    const out = new Float32Array(rows.length * imageValues);
    for (let n = 0; n < rows.length; n++) {
      const from = rows[n]! * imageValues;
      const to = n * imageValues;
      if (!(images instanceof Uint8Array)) copyFloats(images, from, out, to);
      else lookUp(images, from, table, out, to, imageValues);
    }
    return out;
  };

  function copyFloats(images: Float32Array, from: number, out: Float32Array, to: number): void {
    for (const end = to + imageValues; to < end; )
      for (let c = 0; c < channels; c++) out[to++] = (images[from++]! - mean[c]!) / std[c]!;
  }
}
