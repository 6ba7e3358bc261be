/** The options that say how encoded images are seen, shared by every set of them. */
import { z } from 'zod';
import { streamShape } from './images/stream.js';
import { centerCrop, randomResizedCrop } from './images/views.js';

const three = z.tuple([z.number(), z.number(), z.number()]);

export const viewShape = {
  ...streamShape,
  /** Pixels on each side of what a network sees. */
  size: z.int().min(1).max(4096).default(224),
  /** The test images' short side before the middle is cut out; by default size / 0.875. */
  resize: z.int().min(1).max(8192).optional(),
  filter: z.enum(['bilinear', 'bicubic']).default('bilinear'),
  /** Per channel, of pixels in [0, 1]; ImageNet's by default. */
  mean: three.default([0.485, 0.456, 0.406]),
  std: three.default([0.229, 0.224, 0.225]),
};
const ViewOptions = z.strictObject(viewShape);

/** -> what `imageDataset` takes of them */
export function viewsFrom({ size, resize, filter, mean, std, ...stream }: z.output<typeof ViewOptions>) {
  const test = { ...centerCrop(size, resize), filter };
  return { viewing: { train: { ...randomResizedCrop(size), filter }, test }, mean, std, stream };
}
