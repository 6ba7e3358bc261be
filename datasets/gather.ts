/** Turns stored images into the float32 pixels of a batch: chosen rows, zero border, normalised. */

/** How images are stored, and how they are to be seen. */
export interface Pixels {
  /** `[height, width, channels]` as stored */
  readonly stored: readonly [number, number, number];
  /** Pixels of value 0 on each side, added before the normalisation. */
  readonly border: number;
  /** Per channel, of pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * `(images, rows) -> [rows.length, height + 2 border, width + 2 border, channels]`, each value (pixel - mean) / std.
 * Bytes are scaled by 1 / 255 first; floats are taken as they are.
 */
export type Gather = (images: Uint8Array | Float32Array, rows: Uint32Array) => Float32Array;

export function createGather(pixels: Pixels): Gather {
  const { mean, std } = pixels;
  const [height, width, channels] = pixels.stored;
  const border = pixels.border;
  const rowValues = width * channels;
  const imageValues = height * rowValues;
  const outRowValues = (width + 2 * border) * channels;
  const outImageValues = (height + 2 * border) * outRowValues;

  // [channels, 256]: a byte has only so many values, so its division is done once.
  const table = Float32Array.from({ length: 256 * channels }, (_, i) => {
    const channel = i >> 8;
    return ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  });
  const background = Float32Array.from({ length: channels }, (_, c) => table[c << 8]!);

  return (images, rows) => {
    const out = new Float32Array(rows.length * outImageValues);
    if (border > 0) fillBackground(out, background);
    for (let n = 0; n < rows.length; n++) {
      const from = rows[n]! * imageValues;
      const to = n * outImageValues + border * (outRowValues + channels);
      if (!(images instanceof Uint8Array)) copyFloats(images, from, out, to);
      else if (channels === 1) copyGrey(images, from, out, to);
      else copyColour(images, from, out, to);
    }
    return out;
  };

  // Three loops, so that each sees one kind of array and V8 keeps it free of type checks.
  function copyGrey(images: Uint8Array, from: number, out: Float32Array, to: number): void {
    for (let y = 0; y < height; y++, from += width, to += outRowValues)
      for (let x = 0; x < width; x++) out[to + x] = table[images[from + x]!]!;
  }

  function copyColour(images: Uint8Array, from: number, out: Float32Array, to: number): void {
    for (let y = 0; y < height; y++, to += outRowValues)
      for (let x = to; x < to + rowValues; )
        for (let c = 0; c < channels; c++) out[x++] = table[(c << 8) | images[from++]!]!;
  }

  function copyFloats(images: Float32Array, from: number, out: Float32Array, to: number): void {
    for (let y = 0; y < height; y++, to += outRowValues)
      for (let x = to; x < to + rowValues; )
        for (let c = 0; c < channels; c++) out[x++] = (images[from++]! - mean[c]!) / std[c]!;
  }
}

function fillBackground(out: Float32Array, background: Float32Array): void {
  if (background.length === 1) out.fill(background[0]!);
  else for (let i = 0; i < out.length; i++) out[i] = background[i % background.length]!;
}
