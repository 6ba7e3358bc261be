/** The noise of a randomised activation: numbers that depend on (key, element, draw) alone, the same on every engine. */
import { philox4x32 } from '../random.js';

/** Two 32-bit words: which layer's noise, and which step's. */
export type NoiseKey = readonly [number, number];

/**
 * Draws from the uniform distribution on (-1, 1), symmetric about 0: multiples of 2^-16.
 *
 * A pair of draws has two words of Philox4x32-10 as its key, and a 32-bit hash of the element's index under it; each
 * half of the hash is a draw. native/operators/pade_noise.h is the same in C++.
 *
 * @param draw which of an element's independent draws, from 0
 * @param elements how many, in row-major order
 */
export function uniformNoise(key: NoiseKey, draw: number, elements: number): Float32Array {
  const [before, middle] = philox4x32([draw >> 1, 0, 0, 0], [key[0] >>> 0, key[1] >>> 0]);
  const shift = draw % 2 === 1 ? 16 : 0;
  return Float32Array.from({ length: elements }, (_, element) => {
    const half = (hash(element, before, middle) >>> shift) & 0xffff;
    return (2 * half - 65535) / 65536;
  });
}

/** C. Wellons and T. Ettinger's finaliser "lowbias32", with a second word of key in the middle. */
function hash(element: number, before: number, middle: number): number {
  let v = element ^ before;
  v ^= v >>> 16;
  v = Math.imul(v, 0x21f0aaad);
  v ^= v >>> 15;
  v = (v + middle) | 0;
  v = Math.imul(v, 0xd35a2d97);
  return (v ^ (v >>> 15)) >>> 0;
}
