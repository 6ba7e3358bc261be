/** Damage at random, for tests that nothing is believed. */
import type { RandomStream } from '../../src/random.js';

/** Cut off, with a stretch removed or doubled, or with a few bytes changed. */
export function mutated(bytes: Buffer, random: RandomStream): Buffer {
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
