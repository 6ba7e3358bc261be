/**
 * Counter-based randomness: every number is a pure function of (seed, stream, index), so the same key gives the
 * same numbers on every machine, in any order of asking and for any number of workers.
 *
 * The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): 128 bits of counter, 64 bits of key, passes BigCrush.
 */
import { OptionsError } from './errors.js';

/** Names a stream of numbers under a seed, e.g. `'conv1/kernel'`, or `'augment', epoch, sample`. */
export type StreamPart = string | number;

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
const KEY_STEPS = [0x9e3779b9, 0xbb67ae85] as const; // the golden ratio and sqrt(3) - 1, as fractions of 2^32
const ROUNDS = 10;
const TWO_32 = 2 ** 32;

// The last counter word tells draws from key derivation, so that no stream's key is also one of its draws.
const DRAW = 0;
const NUMBER = 1;
const TEXT = 2;

type Counter = readonly [number, number, number, number];
type Key = readonly [number, number];

/**
 * One block of Philox4x32-10.
 * @param counter four unsigned 32-bit words
 * @param key two unsigned 32-bit words
 * @returns four unsigned 32-bit words
 */
export function philox4x32(counter: Counter, key: Key): [number, number, number, number] {
  const block = Uint32Array.from(counter);
  encrypt(block, key[0], key[1]);
  return [block[0]!, block[1]!, block[2]!, block[3]!];
}

/** A sequence of numbers that belongs to `(seed, ...stream)` alone; two sequences with different keys are independent. */
export class RandomStream {
  readonly #key: Key;
  readonly #block = new Uint32Array(4);
  #blocksDrawn = 0;
  #used = 4; // words of the block that were given out
  #spareNormal: number | null = null;

  /**
   * @param seed integer from 0 to 2^53 - 1
   * @param stream names and integers from 0 to 2^53 - 1; their order and their boundaries count
   * @throws OptionsError
   */
  constructor(seed: number, ...stream: readonly StreamPart[]) {
    this.#key = deriveKey(seed, stream);
  }

  /** An integer of [0, 2^32). */
  uint32(): number {
    if (this.#used === 4) {
      const block = this.#block;
      block[0] = this.#blocksDrawn;
      block[1] = Math.floor(this.#blocksDrawn / TWO_32);
      block[2] = 0;
      block[3] = DRAW;
      encrypt(block, this.#key[0], this.#key[1]);
      this.#blocksDrawn++;
      this.#used = 0;
    }
    return this.#block[this.#used++]!;
  }

  /**
   * An integer of [0, limit), every one equally likely (Lemire, "Fast random integer generation in an interval", 2019).
   * @param limit integer of [1, 2^32)
   */
  below(limit: number): number {
    let word = this.uint32();
    let low = Math.imul(word, limit) >>> 0;
    if (low < limit) {
      const surplus = (TWO_32 - limit) % limit; // products whose low word is below this would be one too many
      while (low < surplus) {
        word = this.uint32();
        low = Math.imul(word, limit) >>> 0;
      }
    }
    return multiplyHigh(word, limit);
  }

  /** A multiple of 2^-24 in [0, 1): exact in float32 too, so it never rounds up to 1. */
  uniform(): number {
    return (this.uint32() >>> 8) * 2 ** -24;
  }

  /** A draw of the standard normal distribution (Box and Muller 1958; the largest is 6.66). */
  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / TWO_32)); // + 1: the logarithm of 0 is not wanted
    const angle = (2 * Math.PI * this.uint32()) / TWO_32;
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/**
 * Fills `out` from the uniform distribution on [low, high) and returns it.
 *
 * `uniform(new Float32Array(150), { low: -k, high: k }, seed, 'conv1/kernel')`
 * @throws OptionsError
 */
export function uniform(
  out: Float32Array,
  range: { readonly low: number; readonly high: number },
  seed: number,
  ...stream: readonly StreamPart[]
): Float32Array {
  const { low, high } = range;
  if (!(Number.isFinite(low) && Number.isFinite(high) && low <= high))
    throw new OptionsError(`uniform: low and high must be finite and rise, got ${low} and ${high}`);
  const random = new RandomStream(seed, ...stream);
  for (let i = 0; i < out.length; i++) out[i] = low + (high - low) * random.uniform();
  return out;
}

/**
 * Fills `out` from the normal distribution and returns it.
 *
 * `normal(new Float32Array(150), { mean: 0, deviation: 0.1 }, seed, 'conv1/kernel')`
 * @throws OptionsError
 */
export function normal(
  out: Float32Array,
  shape: { readonly mean: number; readonly deviation: number },
  seed: number,
  ...stream: readonly StreamPart[]
): Float32Array {
  const { mean, deviation } = shape;
  if (!(Number.isFinite(mean) && Number.isFinite(deviation) && deviation >= 0))
    throw new OptionsError(
      `normal: mean must be finite and deviation finite and not negative, got ${mean} and ${deviation}`,
    );
  const random = new RandomStream(seed, ...stream);
  for (let i = 0; i < out.length; i++) out[i] = mean + deviation * random.normal();
  return out;
}

/**
 * The numbers 0 to n - 1 in an order that belongs to (n, seed, stream): Fisher and Yates's shuffle.
 *
 * `permutation(60_000, seed, epoch)`
 * @param n integer of [0, 2^32)
 * @throws OptionsError
 */
export function permutation(n: number, seed: number, ...stream: readonly StreamPart[]): Uint32Array {
  if (!Number.isInteger(n) || n < 0 || n >= TWO_32)
    throw new OptionsError(`permutation: n must be an integer from 0 to 2^32 - 1, got ${n}`);
  const random = new RandomStream(seed, 'permutation', ...stream);
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (let last = n - 1; last > 0; last--) {
    const chosen = random.below(last + 1);
    const value = order[chosen]!;
    order[chosen] = order[last]!;
    order[last] = value;
  }
  return order;
}

/** Each part replaces the key by a block's first half, so a key of any length ends as 64 bits. */
function deriveKey(seed: number, stream: readonly StreamPart[]): Key {
  const [low, high] = words(seed, 'seed');
  let key: Key = [low, high];
  const fold = (a: number, b: number, position: number, kind: number) => {
    const block = philox4x32([a, b, position, kind], key);
    key = [block[0], block[1]];
  };
  for (const part of stream) {
    if (typeof part === 'number') {
      const [a, b] = words(part, 'a number in the stream');
      fold(a, b, 0, NUMBER);
      continue;
    }
    fold(part.length, 0, 0, TEXT); // the length first: 'a', 'b' is another stream than 'ab'
    const unit = (i: number) => (i < part.length ? part.charCodeAt(i) : 0);
    for (let i = 0; i < part.length; i += 4)
      fold(unit(i) | (unit(i + 1) << 16), unit(i + 2) | (unit(i + 3) << 16), 1 + i / 4, TEXT);
  }
  return key;
}

function words(value: number, what: string): [low: number, high: number] {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new OptionsError(`random: ${what} must be an integer from 0 to 2^53 - 1, got ${value}`);
  return [value % TWO_32, Math.floor(value / TWO_32)];
}

/** The upper 32 bits of a 32 x 32 bit product; every intermediate stays below 2^53. */
function multiplyHigh(a: number, b: number): number {
  return Math.floor(((a >>> 16) * b + Math.floor(((a & 0xffff) * b) / 0x10000)) / 0x10000);
}

function encrypt(block: Uint32Array, key0: number, key1: number): void {
  let c0 = block[0]!;
  let c1 = block[1]!;
  let c2 = block[2]!;
  let c3 = block[3]!;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIERS[0], c0);
    const low0 = Math.imul(MULTIPLIERS[0], c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIERS[1], c2);
    const low1 = Math.imul(MULTIPLIERS[1], c2) >>> 0;
    c0 = (high1 ^ c1 ^ key0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ key1) >>> 0;
    c3 = low0;
    key0 = (key0 + KEY_STEPS[0]) | 0;
    key1 = (key1 + KEY_STEPS[1]) | 0;
  }
  block[0] = c0;
  block[1] = c1;
  block[2] = c2;
  block[3] = c3;
}
