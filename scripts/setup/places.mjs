/** Where things are, and what files hold. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const NATIVE = join(ROOT, 'native');
export const IMAGES = join(NATIVE, 'images'); // an addon of its own, without libtorch
export const MAC = process.platform === 'darwin';
export const SHARED = MAC ? 'dylib' : 'so';
export const PLATFORM = `${process.platform}-${process.arch}`;
export const TRIPLET = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/**
 * The folder for libtorch and the addon: `PADEZOO_CACHE`, else `padezoo` in the system's cache folder.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @param {NodeJS.Platform} [platform]
 */
export function cacheDirectory(env = process.env, platform = process.platform) {
  if (env.PADEZOO_CACHE) return resolve(env.PADEZOO_CACHE);
  const home = env.HOME || homedir();
  // The XDG specification has a relative path ignored.
  if (env.XDG_CACHE_HOME?.startsWith('/')) return join(env.XDG_CACHE_HOME, 'padezoo');
  return platform === 'darwin' ? join(home, 'Library/Caches/padezoo') : join(home, '.cache/padezoo');
}

/** A checkout has its TypeScript sources; an installed package has them compiled. */
export const isCheckout = () => existsSync(join(ROOT, 'tsconfig.json'));

/** @param {string[]} parts */
export const hashOf = (...parts) =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);

/** @param {string} path */
export const readJson = path => JSON.parse(readFileSync(path, 'utf8'));

/** @param {string} path */
export const textOf = path => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/**
 * Every file below `folder` that `wanted` accepts, sorted; none where there is no such folder.
 *
 * @param {string} folder
 * @param {RegExp} wanted
 * @returns {string[]}
 */
export function filesBelow(folder, wanted) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .flatMap(entry => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesBelow(path, wanted);
      return wanted.test(entry.name) ? [path] : [];
    })
    .sort();
}

/**
 * One hash over the paths and contents of files.
 *
 * @param {string[]} files
 */
export const contentHash = files => hashOf(...files.flatMap(file => [relative(ROOT, file), textOf(file)]));

/** @param {string} name */
export function onPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return name.includes('/')
    ? existsSync(name)
    : folders.some(folder => folder && existsSync(join(folder, name)));
}
