/** The noise of a randomised activation: numbers that depend on (key, element, draw) alone, the same on every engine. */
import { philox4x32 } from '../random.js';

/** Two 32-bit words: which layer's noise, and which step's. */
export type NoiseKey = readonly [number, number];

/** Of the pairs of draws; which, and why these: native/operators/pade_noise.h. */
const MULTIPLIERS = [
  ...[0xcc9e2d51, 0x95bac861, 0xe98ca437, 0xf66ba50f, 0xaf723597, 0x93768ca7],
  ...[0x85ebca6b, 0xfa2b5d7b, 0xf490bb87, 0xa6ac1da5, 0xbf2424d5],
];

/**
 * Draws from the uniform distribution on (-1, 1), symmetric about 0: multiples of 2^-16.
 *
 * An element's index is hashed under a word of Philox4x32-10; each pair of draws adds a word of its own, multiplies with a
 * number of its own, and has a draw in each half of what comes out. native/operators/pade_noise.h is the same in C++.
 *
 * @param draw which of an element's independent draws, from 0 to 21
 * @param elements how many, in row-major order
 */
export function uniformNoise(key: NoiseKey, draw: number, elements: number): Float32Array {
  const pair = draw >> 1;
  const block = (counter: number) => philox4x32([counter, 0, 0, 0], [key[0] >>> 0, key[1] >>> 0]);
  const [before] = block(0);
  const [, shift] = block(pair);
  const half = draw % 2 === 1 ? 16 : 0;
  return Float32Array.from({ length: elements }, (_, element) => {
    const v = Math.imul((spreadOf(element, before) + shift) | 0, MULTIPLIERS[pair]!);
    const bits = ((v ^ (v >>> 15)) >>> half) & 0xffff;
    return (2 * bits - 65535) / 65536;
  });
}

/** The first half of C. Wellons and T. Ettinger's finaliser "lowbias32". */
function spreadOf(element: number, before: number): number {
  let v = element ^ before;
  v ^= v >>> 16;
  v = Math.imul(v, 0x21f0aaad);
  return v ^ (v >>> 15);
}
