/** Turns stored images into the float32 pixels of a batch: chosen rows, normalised. */

/** How images are stored, and how they are to be seen. */
export interface Pixels {
  /** `[height, width, channels]` as stored */
  readonly stored: readonly [number, number, number];
  /** Per channel, of pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * `(images, rows) -> [rows.length, height, width, channels]`, each value (pixel - mean) / std; into `out` where it is given.
 * Bytes are scaled by 1 / 255 first; floats are taken as they are.
 */
export type Gather = (
  images: Uint8Array | Float32Array,
  rows: Uint32Array,
  out?: Float32Array,
) => Float32Array;

export function createGather(pixels: Pixels): Gather {
  const { mean, std } = pixels;
  const [height, width, channels] = pixels.stored;
  const imageValues = height * width * channels;

  // [channels, 256]: a byte has only so many values, so its division is done once.
  const table = Float32Array.from({ length: 256 * channels }, (_, i) => {
    const channel = i >> 8;
    return ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  });

  return (images, rows, out = new Float32Array(rows.length * imageValues)) => {
    for (let n = 0; n < rows.length; n++) {
      const from = rows[n]! * imageValues;
      const to = n * imageValues;
      if (!(images instanceof Uint8Array)) copyFloats(images, from, out, to);
      else if (channels === 1) copyGrey(images, from, out, to);
      else copyColour(images, from, out, to);
    }
    return out;
  };

  // Three loops, so that each sees one kind of array and V8 keeps it free of type checks.
  function copyGrey(images: Uint8Array, from: number, out: Float32Array, to: number): void {
    for (let i = 0; i < imageValues; i++) out[to + i] = table[images[from + i]!]!;
  }

  function copyColour(images: Uint8Array, from: number, out: Float32Array, to: number): void {
    for (const end = to + imageValues; to < end; )
      for (let c = 0; c < channels; c++) out[to++] = table[(c << 8) | images[from++]!]!;
  }

  function copyFloats(images: Float32Array, from: number, out: Float32Array, to: number): void {
    for (const end = to + imageValues; to < end; )
      for (let c = 0; c < channels; c++) out[to++] = (images[from++]! - mean[c]!) / std[c]!;
  }
}
