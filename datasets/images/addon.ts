/** The image addon as TypeScript sees it (native/images/addon.cpp): loading it where the set-up has built it, and its types. */
import { createRequire } from 'node:module';
import { findImageAddon } from '#setup';
import { OptionsError } from '../../src/errors.js';
import type { Plan } from './plan.js';

export interface ImageAddon {
  /** The libjpeg-turbo that it was compiled with, or null: then no JPEG is plain. */
  readonly jpeg: string | null;
  /** The best that this CPU has. */
  readonly instructions: 'avx2' | 'scalar';
  /**
   * The plan's part of a plain JPEG (8 bits, grey or YCbCr), resampled; `false` where it is none after all, or its header is
   * not flawless.
   *
   * @param width as its header says
   * @param out `[outHeight, outWidth, 3]`, written, also where it throws
   * @throws Error when any part of the file is damaged
   */
  decode(bytes: Uint8Array, width: number, height: number, plan: Plan, out: Uint8Array): boolean;
  /**
   * @param pixels `[height, width, 3]`
   * @param instructions what to keep to, for the same bits; the best that there are by default
   */
  resample(
    pixels: Uint8Array,
    width: number,
    height: number,
    plan: Plan,
    out: Uint8Array,
    instructions?: 'scalar',
  ): void;
}

/** What decodes plain JPEGs: libjpeg-turbo where the addon has it, else sharp; or always the one that is named. */
export type Decoder = 'auto' | 'native' | 'sharp';

let looked = false;
let loaded: ImageAddon | undefined;
let reason = 'the set-up has not built the image addon; run npx padezoo setup';

/** The addon, where there is one. */
export function imageAddon(): ImageAddon | undefined {
  if (looked) return loaded;
  looked = true;
  const record = findImageAddon();
  if (!record) {
    if (process.env.PADEZOO_NO_ENGINE === '1') reason = 'it is switched off by PADEZOO_NO_ENGINE=1';
    return undefined;
  }
  try {
    loaded = createRequire(import.meta.url)(record.addon) as ImageAddon;
    reason =
      'it was built without libjpeg-turbo; install its headers (Debian: libjpeg62-turbo-dev) and run npx padezoo setup';
  } catch (error) {
    reason = `the image addon cannot be loaded (${(error as Error).message}); run npx padezoo setup`;
  }
  return loaded;
}

/** @throws OptionsError when the native decoder is asked for and not there */
export function requireDecoder(decoder: Decoder, where: string): void {
  if (decoder === 'native' && !imageAddon()?.jpeg)
    throw new OptionsError(`${where}: there is no native decoder: ${reason}`);
}
