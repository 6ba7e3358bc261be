/** The step `compile`: TypeScript into dist/. */
import { existsSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { alone, writeAtomically } from './atomic.mjs';
import { filesBelow, hashOf, isCheckout, ROOT, readJson, textOf } from './places.mjs';
import { run } from './programs.mjs';
import { done, SetupError, skipped, stopwatch } from './steps.mjs';

/** @typedef {import('../setup.d.mts').Log} Log */

/**
 * The sources that tsc compiles: the folders of tsconfig.json's `include`.
 *
 * @param {string} root
 */
function sourceFolders(root) {
  return /** @type {string[]} */ (readJson(join(root, 'tsconfig.json')).include);
}

/**
 * One hash over all that the compiled output depends on; it changes when a source is edited, added, moved or removed.
 *
 * @param {string} root
 */
export function sourceStamp(root) {
  const sources = sourceFolders(root).flatMap(folder => filesBelow(join(root, folder), /\.[cm]?ts$/));
  const settings = ['tsconfig.json', 'package.json', 'package-lock.json'].map(name => join(root, name));
  return hashOf(...[...settings, ...sources].flatMap(file => [relative(root, file), textOf(file)]));
}

/**
 * The outputs of tsc whose source is gone; a test whose source was deleted would otherwise run for ever.
 *
 * @param {string} root
 */
export function staleOutputs(root) {
  const dist = join(root, 'dist');
  return sourceFolders(root)
    .flatMap(folder => filesBelow(join(dist, folder), /\.(d\.)?[cm]?[jt]s(\.map)?$/))
    .filter(file => {
      const source = relative(dist, file).replace(/(\.d)?\.([cm]?)[jt]s(\.map)?$/, '.$2ts');
      return !existsSync(join(root, source));
    });
}

/** @param {Log} log */
export async function compile(log) {
  if (!isCheckout()) return skipped('not needed in an installed package');
  return alone(`checkout-${hashOf(ROOT)}`, log, async () => {
    const stampFile = join(ROOT, 'dist/.padezoo-stamp');
    const stamp = sourceStamp(ROOT);
    if (textOf(stampFile) === stamp) return skipped('up to date');
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    if (!existsSync(tsc))
      throw new SetupError('compile: TypeScript is not installed; run `node scripts/setup.mjs`');
    const seconds = stopwatch();
    rmSync(stampFile, { force: true });
    const pretty = String(process.stderr.isTTY ?? false);
    const result = await run([process.execPath, tsc, '--project', ROOT, '--pretty', pretty], { show: true });
    if (result.code !== 0) throw new SetupError('compile: tsc found errors (see above)');
    for (const file of staleOutputs(ROOT)) rmSync(file);
    writeAtomically(stampFile, stamp);
    return done(`compiled into dist/ in ${seconds()} s`);
  });
}
