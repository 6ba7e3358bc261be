/** Damaged images: a clear error or a sound result, never a crash, a hang, or pixels of another size. */
import test from 'ava';
import sharp from 'sharp';
import { decodeInto } from '../../../datasets/images/decode.js';
import { centerCrop } from '../../../datasets/images/views.js';
import { RandomStream } from '../../../src/random.js';

const JPEGS = 1_000;

/** A few bytes changed, a stretch removed or doubled, or the end cut off. */
function mutated(bytes: Buffer, random: RandomStream): Buffer {
  const at = random.below(bytes.length);
  const length = 1 + random.below(64);
  switch (random.below(4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + length))]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at + 1), bytes.subarray(Math.max(0, at - length))]);
    default: {
      const copy = Buffer.from(bytes);
      for (let i = 0; i <= random.below(4); i++) copy[random.below(copy.length)] = random.below(256);
      return copy;
    }
  }
}

test(`${JPEGS} mutated JPEGs end in an error, or in the pixels that a strict decoder gives`, async t => {
  const raw = Buffer.from(Array.from({ length: 48 * 40 * 3 }, (_, i) => (i * i) >>> 5));
  const jpeg = await sharp(raw, { raw: { width: 48, height: 40, channels: 3 } })
    .jpeg()
    .toBuffer();
  const viewing = centerCrop(16, 20);
  let refused = 0;
  for (let seed = 0; seed < JPEGS; seed++) {
    const bytes = mutated(jpeg, new RandomStream(seed, 'jpeg'));
    const out = new Uint8Array(16 * 16 * 3);
    try {
      await decodeInto(bytes, { viewing, orientation: 'ignore' }, () => new RandomStream(0), out);
      await sharp(bytes, { failOn: 'warning' }).raw().toBuffer(); // throws where it was accepted wrongly
    } catch (error) {
      if (out.some(value => value !== 0))
        return t.fail(`seed ${seed} was accepted: ${(error as Error).message}`);
      refused++;
    }
  }
  t.true(refused > JPEGS / 4, `${refused} refused`);
});
