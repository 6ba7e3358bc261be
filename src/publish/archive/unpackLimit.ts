/** How much an archive may unpack to, so that a small one cannot fill memory. */

import { BLOCK } from '../../tar/header.js';
import { MAX_BUNDLE_BYTES, MAX_ENTRIES } from '../manifest.js';

/** Weights shrink by a tenth, JSON and SVG to a fifth; a bomb is 1000 to 1. */
const MAX_RATIO = 100;
/** Bytes that may be unpacked at any ratio: too few to hurt. */
const FREE_BYTES = 64 * 2 ** 20;

/** Most bytes that an archive of so many may unpack to. */
export const unpackLimit = (packedBytes: number): number =>
  Math.min(MAX_BUNDLE_BYTES + 2 * BLOCK * MAX_ENTRIES, Math.max(FREE_BYTES, MAX_RATIO * packedBytes));
