/**
 * Decodes mutants in a process of its own, which a crash would end: `node decodeMutants.js DECODER COUNT`. For each it prints
 * a line: its number, the size that the view was asked for, and `sound` with the pixels' sha256, or `refused` with the reason.
 */
import { createHash } from 'node:crypto';
import type { Decoder } from '../../../datasets/images/addon.js';
import { decodeInto } from '../../../datasets/images/decode.js';
import { centerCrop, randomResizedCrop, viewOf } from '../../../datasets/images/views.js';
import { RandomStream } from '../../../src/random.js';
import { mutant } from './mutants.js';

const [decoder, count] = [process.argv[2] as Decoder, Number(process.argv[3])];
const SIZE = 16;

for (let seed = 0; seed < count; seed++) {
  const viewing = seed % 2 ? centerCrop(SIZE, 20) : randomResizedCrop(SIZE);
  let size = '-';
  const view = (width: number, height: number) => {
    size = `${width}x${height}`;
    return viewOf(viewing, width, height, () => new RandomStream(seed));
  };
  const out = new Uint8Array(SIZE * SIZE * 3);
  process.stdout.write(`${seed} `); // before the attempt: it says which one ended the process
  try {
    await decodeInto(mutant(seed), { orientation: 'ignore', decoder }, view, out);
    process.stdout.write(`${size} sound ${createHash('sha256').update(out).digest('hex')}\n`);
  } catch (error) {
    process.stdout.write(`${size} refused ${(error as Error).message.replaceAll('\n', ' ')}\n`);
  }
}
