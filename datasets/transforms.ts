/** What happens to a small image before it is normalised: transforms as plain data, and the papers' lists of them. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import type { RandomStream } from '../src/random.js';
import { mirrorRows, resample } from './images/resample.js';

const degrees = z.number().min(0).max(180);

/** One step; steps follow each other on bytes, as torchvision's do on PIL images. */
export const Transform = z.discriminatedUnion('name', [
  /** To `size` x `size`, bilinear and antialiased. */
  z.strictObject({ name: z.literal('resize'), size: z.int().min(1).max(4096) }),
  /** So many pixels of 0 on each side. */
  z.strictObject({ name: z.literal('pad'), pixels: z.int().min(1).max(4096) }),
  /** By an angle of [-degrees, degrees], nearest neighbour, 0 outside. */
  z.strictObject({ name: z.literal('rotate'), degrees }),
  /** A window of the image's own size, anywhere in the image with `padding` pixels of 0 on each side. */
  z.strictObject({ name: z.literal('crop'), padding: z.int().min(1).max(4096) }),
  /** Left to right, with that probability. */
  z.strictObject({ name: z.literal('flip'), probability: z.number().min(0).max(1).default(0.5) }),
]);
export type Transform = z.output<typeof Transform>;

/** The steps of the two splits. */
export interface Transforms {
  readonly train: readonly Transform[];
  readonly test: readonly Transform[];
}

export const TransformsSchema = z.strictObject({ train: z.array(Transform), test: z.array(Transform) });

const resize32 = { name: 'resize', size: 32 } as const;

/** The lists by which the papers trained. */
export const protocols = {
  /** Molina et al., ICLR 2020, MNIST and Fashion-MNIST: 32 x 32, turned by up to 30 degrees. */
  mnist: { train: [resize32, { name: 'rotate', degrees: 30 }], test: [resize32] },
  /** CIFAR: He et al., CVPR 2016, section 4.2; Molina et al. use the same. */
  cifar: {
    train: [
      { name: 'crop', padding: 4 },
      { name: 'flip', probability: 0.5 },
    ],
    test: [],
  },
} as const satisfies Record<string, Transforms>;

type Shape = readonly [height: number, width: number, channels: number];

/** A list of steps for images of one shape. */
export interface Pipeline {
  readonly outputShape: Shape;
  /** Whether images stay as they are. */
  readonly isPlain: boolean;
  /**
   * @param image `[height, width, channels]`; borrowed
   * @param random the image's own stream; only this decides what happens to it
   * @returns `outputShape`, perhaps `image` itself
   */
  run(image: Uint8Array, random: () => RandomStream): Uint8Array;
}

/** @throws OptionsError when the steps make images of other sizes */
export function pipelineOf(steps: readonly Transform[], input: Shape): Pipeline {
  const stages: { step: Transform; shape: Shape }[] = [];
  let shape = input;
  for (const step of steps) {
    stages.push({ step, shape });
    shape = shapeAfter(step, shape);
  }
  return {
    outputShape: shape,
    isPlain: stages.length === 0,
    run(image, random) {
      let stream: RandomStream | undefined;
      const drawn = () => {
        stream ??= random();
        return stream;
      };
      return stages.reduce((pixels, stage) => apply(stage.step, pixels, stage.shape, drawn), image);
    },
  };
}

/** The shape that the test images have; the training images must have it too. */
export function outputShapeOf({ train, test }: Transforms, input: Shape, where: string): Shape {
  const [trained, tested] = [train, test].map(steps => pipelineOf(steps, input).outputShape) as [
    Shape,
    Shape,
  ];
  if (trained.join() !== tested.join())
    throw new OptionsError(
      `${where}: transforms.train makes images of ${trained.join(' x ')}, transforms.test of ${tested.join(' x ')}; make them the same`,
    );
  return trained;
}

function shapeAfter(step: Transform, [height, width, channels]: Shape): Shape {
  if (step.name === 'resize') return [step.size, step.size, channels];
  if (step.name === 'pad') return [height + 2 * step.pixels, width + 2 * step.pixels, channels];
  return [height, width, channels];
}

function apply(step: Transform, pixels: Uint8Array, shape: Shape, random: () => RandomStream): Uint8Array {
  const [height, width, channels] = shape;
  switch (step.name) {
    case 'resize': {
      const size = { width: step.size, height: step.size };
      const out = new Uint8Array(step.size * step.size * channels);
      const crop = { x: 0, y: 0, width, height };
      const view = {
        crop,
        size,
        window: { x: 0, y: 0, ...size },
        mirror: 'none',
        filter: 'bilinear',
      } as const;
      resample(pixels, shape, view, out);
      return out;
    }
    case 'pad':
      return shifted(pixels, shape, { x: step.pixels, y: step.pixels }, shapeAfter(step, shape));
    case 'rotate':
      return rotated(pixels, shape, (2 * random().uniform() - 1) * step.degrees);
    case 'crop': {
      const choices = 2 * step.padding + 1;
      const y = random().below(choices);
      const x = random().below(choices);
      return shifted(pixels, shape, { x: step.padding - x, y: step.padding - y }, shape);
    }
    case 'flip': {
      if (random().uniform() >= step.probability) return pixels;
      const out = pixels.slice();
      mirrorRows(out, height, width, channels);
      return out;
    }
  }
}

/** The image with its corner at `corner`, on a ground of 0, cut to `size`. */
function shifted(
  pixels: Uint8Array,
  [height, width, channels]: Shape,
  corner: { x: number; y: number },
  size: Shape,
): Uint8Array {
  const [outHeight, outWidth] = size;
  const out = new Uint8Array(outHeight * outWidth * channels);
  const [left, right] = [Math.max(0, corner.x), Math.min(outWidth, corner.x + width)];
  if (right <= left) return out;
  for (let y = Math.max(0, corner.y); y < Math.min(outHeight, corner.y + height); y++) {
    const from = ((y - corner.y) * width + left - corner.x) * channels;
    out.set(pixels.subarray(from, from + (right - left) * channels), (y * outWidth + left) * channels);
  }
  return out;
}

/**
 * Pillow's `Image.rotate(angle)`: around the middle, counter-clockwise, nearest neighbour in 16-bit fixed point, 0
 * outside.
 */
export function rotated(pixels: Uint8Array, [height, width, channels]: Shape, angle: number): Uint8Array {
  const radians = (-(((angle % 360) + 360) % 360) * Math.PI) / 180;
  const round15 = (value: number) => Number(value.toFixed(15)); // as Pillow does
  const [cos, sin, back] = [Math.cos(radians), Math.sin(radians), -Math.sin(radians)].map(round15) as [
    number,
    number,
    number,
  ];
  const [middleX, middleY] = [width / 2, height / 2];
  const originX = cos * -middleX + sin * -middleY + middleX;
  const originY = back * -middleX + cos * -middleY + middleY;
  const fixed = (value: number) => Math.floor(value * 65536 + 0.5);
  const [xx, xy, yx, yy] = [fixed(cos), fixed(sin), fixed(back), fixed(cos)] as [
    number,
    number,
    number,
    number,
  ];
  const startX = fixed(originX + cos * 0.5 + sin * 0.5);
  const startY = fixed(originY + back * 0.5 + cos * 0.5);
  const out = new Uint8Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const fromX = (startX + x * xx + y * xy) >> 16;
      const fromY = (startY + x * yx + y * yy) >> 16;
      if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) continue;
      const from = (fromY * width + fromX) * channels;
      const to = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = pixels[from + c]!;
    }
  }
  return out;
}
