/** The step `images`: the image addon, which needs no libtorch. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { alone, buildBeside, writeAtomically } from './atomic.mjs';
import {
  ADDON_FLAGS,
  COMPILE_FLAGS,
  compileOrThrow,
  compilerCommand,
  findCompiler,
  nodeHeaders,
  requireProblem,
} from './compiler.mjs';
import { findJpeg } from './jpeg.mjs';
import {
  cacheDirectory,
  contentHash,
  filesBelow,
  hashOf,
  IMAGES,
  MAC,
  onPath,
  PLATFORM,
  readJson,
} from './places.mjs';
import { done, SetupError, skipped, stopwatch } from './steps.mjs';

/** @typedef {import('../setup.d.mts').ImageAddonRecord} ImageAddonRecord */
/** @typedef {import('../setup.d.mts').Log} Log */

const IMAGE_FLAGS = [
  '-std=c++17',
  ...COMPILE_FLAGS.filter(flag => flag !== '-fopenmp'),
  ...ADDON_FLAGS,
  ...(MAC ? ['-dynamiclib', '-undefined', 'dynamic_lookup'] : ['-shared']),
];

/** Where the record of the image addon for the present sources and environment is kept. */
export function imageAddonRecordPath() {
  const { CXX = '', PADEZOO_NO_JPEG = '' } = process.env;
  const key = hashOf(
    contentHash(filesBelow(IMAGES, /\.(cpp|h)$/)),
    PLATFORM,
    CXX,
    PADEZOO_NO_JPEG,
    ...IMAGE_FLAGS,
  );
  return join(cacheDirectory(), 'addon', `images-${key}.json`);
}

/**
 * The image addon that an earlier set-up built for the present sources.
 *
 * @returns {ImageAddonRecord | undefined}
 */
export function findImageAddon() {
  if (process.env.PADEZOO_NO_ENGINE === '1') return undefined;
  try {
    /** @type {ImageAddonRecord} */
    const record = readJson(imageAddonRecordPath());
    return existsSync(record.addon) ? record : undefined;
  } catch {
    return undefined; // not there, or no record: either way it has to be built
  }
}

/**
 * Compiles the image addon, with libjpeg-turbo where it is found, and proves that a fresh Node loads it.
 *
 * @param {Log} log
 * @returns {Promise<{ changed: boolean, record: ImageAddonRecord }>}
 * @throws {SetupError} that says what is missing; sharp and TypeScript do the work without it
 */
export async function buildImageAddon(log) {
  const present = () => {
    const record = findImageAddon();
    if (!record) return undefined;
    // A libjpeg-turbo that was installed or upgraded since asks for another addon, which takes a compiler to tell and to make.
    const isCurrent =
      !onPath(compilerCommand()[0] ?? '') || record.jpeg === (findJpeg(compilerCommand()).version ?? null);
    return isCurrent ? { changed: false, record } : undefined;
  };
  return (
    present() ??
    alone('images', log, async () => {
      const meanwhile = present();
      if (meanwhile) return meanwhile;
      const { command } = await findCompiler('images', log);
      const jpeg = findJpeg(command);
      const recordPath = imageAddonRecordPath();
      const target = join(
        dirname(recordPath),
        `${basename(recordPath, '.json')}-${hashOf(jpeg.version ?? '')}`,
      );
      const headers = nodeHeaders('images').flatMap(folder => ['-isystem', folder]);
      await buildBeside(target, async folder => {
        const file = join(folder, 'padezoo_images.node');
        const withJpeg = jpeg.version ? ['-DPADEZOO_LIBJPEG', '-ljpeg'] : [];
        const sources = filesBelow(IMAGES, /\.cpp$/);
        await compileOrThrow(
          'images',
          [...command, ...IMAGE_FLAGS, ...headers, ...sources, ...withJpeg, '-o', file],
          IMAGES,
        );
        const problem = await requireProblem(file);
        if (problem)
          throw new SetupError(`images: Node ${process.version} cannot load what was built:\n${problem}`);
      });
      const record = { addon: join(target, 'padezoo_images.node'), jpeg: jpeg.version ?? null };
      writeAtomically(recordPath, `${JSON.stringify(record, null, 2)}\n`);
      log(jpeg.found);
      return { changed: true, record };
    })
  );
}

/**
 * The step, which never fails.
 *
 * @param {Log} log
 */
export async function images(log) {
  if (process.env.PADEZOO_NO_ENGINE === '1') return skipped('switched off by PADEZOO_NO_ENGINE=1');
  const seconds = stopwatch();
  try {
    const { changed, record } = await buildImageAddon(log);
    const how = record.jpeg ? `libjpeg-turbo ${record.jpeg}` : 'sharp';
    return changed
      ? done(`built in ${seconds()} s; JPEGs by ${how}`)
      : skipped(`up to date (JPEGs by ${how})`);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return skipped(`${error.message}\nimages are decoded by sharp and resized in TypeScript`);
  }
}
