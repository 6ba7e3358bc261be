/** Reads what scripts/make-fixtures.py wrote: numbers of PyTorch in float64. */
import { readFileSync } from 'node:fs';

/** @param name of a file in test/fixtures, without its ending */
export function fixture<Content>(name: string): Content {
  const file = new URL(`../../../test/fixtures/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Content;
}

/**
 * Numbers of [-amplitude, amplitude), single precision, by the formula that scripts/make-fixtures.py uses too.
 * @param phase tells one list from another
 */
export function noise(count: number, amplitude: number, phase: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => {
    const wave = Math.sin(12.9898 * (index + 1) + 78.233 * phase) * 43758.5453;
    return amplitude * (2 * (wave - Math.floor(wave)) - 1);
  });
}
