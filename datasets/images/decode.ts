/** Decodes an image of any common format and puts the seen part of it, RGB bytes, where it is wanted. */
import sharp from 'sharp';
import { type Decoder, imageAddon } from './addon.js';
import { type JpegHeader, readJpegHeader } from './jpegHeader.js';
import { type Box, type Plan, planOf, type View } from './plan.js';
import { resamplePlanned } from './resample.js';

export interface DecodeOptions {
  /** `'ignore'`, as torchvision: pixels as they are stored. */
  readonly orientation: 'ignore' | 'apply';
  readonly decoder: Decoder;
}

const MAX_PIXELS = 2 ** 28; // 16384 x 16384; stops a forged header from filling memory
const STRIP = 8; // rows that libvips reads at a time

sharp.cache(false); // every image is seen once
sharp.concurrency(1); // images, not parts of them, are decoded side by side

/**
 * @param bytes the file; borrowed
 * @param view what is to be seen of an image of that size
 * @param out `[window.height, window.width, 3]` bytes, written; of no meaning where it throws
 * @throws Error when the image is damaged in any way that its decoder notices: libjpeg-turbo wherever it is damaged, sharp in a
 *   JPEG down to what is seen, and when it is cut off
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
  const { pixels, width, height, plan } = await partOf(bytes, header, options.orientation, view);
  if (addon) addon.resample(pixels, width, height, plan, out);
  else resamplePlanned(pixels, [height, width, 3], plan, out);
}

/** Whether libjpeg-turbo is to try it. It looks closer and may still leave it to sharp. */
function isPlain(header: JpegHeader, { orientation, decoder }: DecodeOptions): boolean {
  const { width, height, precision, components, coding, exif } = header;
  if (decoder === 'sharp' || coding !== 'huffman' || precision !== 8) return false;
  if (components !== 1 && components !== 3) return false;
  if (orientation === 'apply' && exif) return false;
  return width * height <= MAX_PIXELS;
}

/**
 * By sharp, three channels, and the plan as it is for these pixels: of a JPEG the part that is seen, so that libjpeg may stop
 * below it; else the whole image, whose size is known only then.
 */
async function partOf(
  bytes: Uint8Array,
  header: JpegHeader | undefined,
  orientation: DecodeOptions['orientation'],
  view: (width: number, height: number) => View,
): Promise<{ pixels: Uint8Array; width: number; height: number; plan: Plan }> {
  const turned = orientation === 'apply' && header?.exif;
  if (!header || turned || !hasEnd(bytes, header)) {
    const { data, info } = await pixelsOf(bytes, header, orientation);
    const { width, height } = info;
    return { pixels: data, width, height, plan: planOf(view(width, height), width, height) };
  }
  const plan = planOf(view(header.width, header.height), header.width, header.height);
  const { x, y, width } = plan;
  const height = Math.min(header.height, endOfStrip(y + plan.height) + 1) - y;
  const { data } = await pixelsOf(bytes, header, orientation, { x, y, width, height });
  return { pixels: data, width, height, plan: { ...plan, x: 0, y: 0 } };
}

/** libvips asks libjpeg for warnings before each strip of rows, so damage in one is an error when the next is begun. */
function endOfStrip(row: number): number {
  return STRIP * Math.ceil(row / STRIP);
}

/** Whether its end marker is there: of a file that is cut off all rows are to be asked for, so that it is noticed. */
function hasEnd(bytes: Uint8Array, { scan }: JpegHeader): boolean {
  for (let i = bytes.length - 2; i > scan; i--) if (bytes[i] === 0xff && bytes[i + 1] === 0xd9) return true;
  return false;
}

/** The whole image by sharp, or a part of it, three channels. */
async function pixelsOf(
  bytes: Uint8Array,
  header: JpegHeader | undefined,
  orientation: DecodeOptions['orientation'],
  part?: Box,
) {
  const image = sharp(bytes, {
    failOn: 'warning', // anything weaker gives garbage or grey for damaged files, silently
    sequentialRead: true,
    limitInputPixels: MAX_PIXELS,
    ignoreIcc: true, // colours as they are stored, as torchvision
  });
  if (orientation === 'apply') image.autoOrient();
  if (part) image.extract({ left: part.x, top: part.y, width: part.width, height: part.height });
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
