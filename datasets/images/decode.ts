/** Decodes an image of any common format and puts the seen part of it, RGB bytes, where it is wanted. */
import sharp from 'sharp';
import type { RandomStream } from '../../src/random.js';
import { type Decoder, imageAddon } from './addon.js';
import { planOf } from './plan.js';
import { resamplePlanned } from './resample.js';
import { type Viewing, viewOf } from './views.js';

export interface DecodeOptions {
  readonly viewing: Viewing;
  /** `'ignore'`, as torchvision: pixels as they are stored. */
  readonly orientation: 'ignore' | 'apply';
  readonly decoder: Decoder;
}

const MAX_PIXELS = 2 ** 28; // 16384 x 16384; stops a forged header from filling memory

sharp.cache(false); // every image is seen once
sharp.concurrency(1); // images, not parts of them, are decoded side by side

/**
 * @param bytes the file; borrowed
 * @param random makes the image's own stream, from its beginning
 * @param out `[size, size, 3]` bytes, written; of no meaning where it throws
 * @throws Error when the image is damaged in any way that its decoder notices
 */
export async function decodeInto(
  bytes: Uint8Array,
  options: DecodeOptions,
  random: () => RandomStream,
  out: Uint8Array,
): Promise<void> {
  if (decodePlainJpeg(bytes, options, random, out)) return;
  const { data, info } = await pixelsOf(bytes, options.orientation);
  const { width, height } = info;
  const plan = planOf(viewOf(options.viewing, width, height, random), width, height);
  const addon = imageAddon();
  if (addon) addon.resample(data, width, height, plan, out);
  else resamplePlanned(data, [height, width, 3], plan, out);
}

/** @returns whether it was one, and there is a decoder for it */
function decodePlainJpeg(
  bytes: Uint8Array,
  { viewing, orientation, decoder }: DecodeOptions,
  random: () => RandomStream,
  out: Uint8Array,
): boolean {
  const addon = decoder === 'sharp' ? undefined : imageAddon();
  const header = addon?.readHeader(bytes, MAX_PIXELS);
  if (!addon || !header || (orientation === 'apply' && header.exif)) return false;
  const { width, height } = header;
  const plan = planOf(viewOf(viewing, width, height, random), width, height);
  return addon.decode(bytes, width, height, plan, out);
}

/** The whole image by sharp, three channels. */
async function pixelsOf(bytes: Uint8Array, orientation: 'ignore' | 'apply') {
  const image = sharp(bytes, {
    failOn: 'warning', // anything weaker gives garbage or grey for damaged files, silently
    sequentialRead: true,
    limitInputPixels: MAX_PIXELS,
  });
  if (orientation === 'apply') image.autoOrient();
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return { data, info };
  if (info.channels !== 1) throw new Error(`has ${info.channels} channels, expected 1 or 3`);
  const rgb = new Uint8Array(3 * data.length);
  for (let i = 0; i < data.length; i++) rgb.fill(data[i]!, 3 * i, 3 * i + 3);
  return { data: rgb, info };
}
