/** Damaged images: small ones of several kinds with a few bytes changed, a stretch removed or doubled, or the end cut off. */
import { RandomStream } from '../../../src/random.js';
import { fixture } from '../../support/fixture.js';
import { mutated } from '../../support/mutated.js';

/** What Pillow and torchvision say of an image (scripts/make-jpeg-fixtures.py). */
export interface JpegFixture {
  readonly name: string;
  /** Whether it is decoded natively, where it can be. */
  readonly kind: 'plain' | 'odd';
  readonly width: number;
  readonly height: number;
  /** base64 */
  readonly image: string;
  /** Of the pixels of the whole. */
  readonly sha256: string;
  readonly views: readonly (
    | { crop: [number, number, number, number]; size: number; mirror: boolean; sha256: string }
    | { resize: number; size: number; sha256: string }
  )[];
}

export const jpegFixtures = fixture<{ images: readonly JpegFixture[] }>('jpegs').images;

const MUTATED = [
  '4:2:0, 48 x 40',
  '4:2:2, 37 x 29',
  '4:4:4, 17 x 16',
  'grey, 37 x 29',
  'progressive, 48 x 40',
  'restart markers',
];
const originals = jpegFixtures
  .filter(({ name }) => MUTATED.includes(name))
  .map(({ image }) => Buffer.from(image, 'base64'));

/** The same for the same number. */
export function mutant(seed: number): Buffer {
  const random = new RandomStream(seed, 'jpeg');
  return mutated(originals[random.below(originals.length)]!, random);
}
