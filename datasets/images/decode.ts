/** Decodes an image of any common format and puts the seen part of it, RGB bytes, where it is wanted. */
import sharp from 'sharp';
import { type Decoder, imageAddon } from './addon.js';
import { type JpegHeader, readJpegHeader } from './jpegHeader.js';
import { planOf, type View } from './plan.js';
import { resamplePlanned } from './resample.js';

export interface DecodeOptions {
  /** `'ignore'`, as torchvision: pixels as they are stored. */
  readonly orientation: 'ignore' | 'apply';
  readonly decoder: Decoder;
}

const MAX_PIXELS = 2 ** 28; // 16384 x 16384; stops a forged header from filling memory

sharp.cache(false); // every image is seen once
sharp.concurrency(1); // images, not parts of them, are decoded side by side

/**
 * @param bytes the file; borrowed
 * @param view what is to be seen of an image of that size
 * @param out `[window.height, window.width, 3]` bytes, written; of no meaning where it throws
 * @throws Error when the image is damaged in any way that its decoder notices, wherever it is damaged
 */
export async function decodeInto(
  bytes: Uint8Array,
  options: DecodeOptions,
  view: (width: number, height: number) => View,
  out: Uint8Array,
): Promise<void> {
  const header = readJpegHeader(bytes);
  const addon = imageAddon();
  if (addon?.jpeg && header && isPlain(header, options)) {
    const { width, height } = header;
    if (addon.decode(bytes, width, height, planOf(view(width, height), width, height), out)) return;
  }
  const { data, info } = await pixelsOf(bytes, header, options.orientation);
  const { width, height } = info;
  const plan = planOf(view(width, height), width, height);
  if (addon) addon.resample(data, width, height, plan, out);
  else resamplePlanned(data, [height, width, 3], plan, out);
}

/** Whether libjpeg-turbo is to try it. It looks closer and may still leave it to sharp. */
function isPlain(header: JpegHeader, { orientation, decoder }: DecodeOptions): boolean {
  const { width, height, precision, components, coding, exif } = header;
  if (decoder === 'sharp' || coding !== 'huffman' || precision !== 8) return false;
  if (components !== 1 && components !== 3) return false;
  if (orientation === 'apply' && exif) return false;
  return width * height > 0 && width * height <= MAX_PIXELS;
}

/** The whole image by sharp, three channels. */
async function pixelsOf(bytes: Uint8Array, header: JpegHeader | undefined, orientation: 'ignore' | 'apply') {
  const image = sharp(bytes, {
    failOn: 'warning', // anything weaker gives garbage or grey for damaged files, silently
    sequentialRead: true,
    limitInputPixels: MAX_PIXELS,
    ignoreIcc: true, // colours as they are stored, as torchvision
  });
  if (orientation === 'apply') image.autoOrient();
  const cmyk = header?.components === 4;
  if (cmyk) image.pipelineColourspace('cmyk').toColourspace('cmyk');
  else if (!header) image.removeAlpha(); // a step more, which no JPEG needs
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  if (info.channels !== (cmyk ? 4 : 3) && info.channels !== 1)
    throw new Error(`has ${info.channels} channels, expected 1 or ${cmyk ? 4 : 3}`);
  if (info.channels === 3) return { data, info };
  return { data: info.channels === 4 ? fromCmyk(data) : fromGrey(data), info };
}

function fromGrey(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(3 * grey.length);
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i]!, 3 * i, 3 * i + 3);
  return rgb;
}

/** Pillow's `convert('RGB')`: each ink takes its share of what black leaves, rounded. */
function fromCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const rest = 255 - cmyk[from + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = cmyk[from + c]! * rest + 128;
      rgb[to++] = Math.max(0, rest - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}
