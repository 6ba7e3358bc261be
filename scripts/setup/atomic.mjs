/** Work that only one set-up does at a time, and that is either whole or not there. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheDirectory, readJson, textOf } from './places.mjs';
import { SetupError } from './steps.mjs';

/** @typedef {import('../setup.d.mts').Log} Log */

const LOCK_BEAT_MS = 5_000;
const LOCK_STALE_MS = 30_000; // six missed beats: its owner was killed

/**
 * Runs `work` while no other set-up runs it. A lock whose owner was killed is taken over: its owner's process is gone,
 * or it has not been touched for a while. Should two ever run at once, temporary names and renames keep both right.
 *
 * @template T
 * @param {string} name
 * @param {Log} log
 * @param {() => Promise<T>} work
 */
export async function alone(name, log, work) {
  const cache = cacheDirectory();
  try {
    mkdirSync(cache, { recursive: true });
  } catch (cause) {
    throw new SetupError(
      `set-up: cannot write to the cache ${cache}; set PADEZOO_CACHE to a folder of yours`,
      { cause },
    );
  }
  const lock = join(cache, `${name}.lock`);
  const owner = JSON.stringify({ host: hostname(), pid: process.pid });
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(lock, owner, { flag: 'wx' });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
      if (isStale(lock)) rmSync(lock, { force: true });
      else {
        if (!waited) log('waiting for another set-up that is at work');
        await sleep(300);
      }
    }
  }
  const beat = setInterval(() => {
    if (existsSync(lock)) utimesSync(lock, new Date(), new Date());
  }, LOCK_BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if (textOf(lock) === owner) rmSync(lock, { force: true });
  }
}

/** @param {string} lock */
function isStale(lock) {
  try {
    if (Date.now() - statSync(lock).mtimeMs > LOCK_STALE_MS) return true;
    const { host, pid } = readJson(lock);
    if (host === hostname()) process.kill(pid, 0);
    return false;
  } catch (error) {
    // ESRCH: its owner is gone. Anything else: it is just being written or removed, or is not ours to signal.
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
  }
}

/**
 * Fills a new folder and gives it its name when it is complete.
 *
 * @param {string} target
 * @param {(folder: string) => Promise<void>} fill
 */
export async function buildBeside(target, fill) {
  const parent = dirname(target);
  mkdirSync(parent, { recursive: true });
  removeLeftovers(parent);
  const folder = join(parent, `.partial-${hostname()}-${process.pid}-${basename(target)}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  try {
    await fill(folder);
    rmSync(target, { recursive: true, force: true });
    renameSync(folder, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Removes what killed runs on this machine left.
 *
 * @param {string} parent
 */
function removeLeftovers(parent) {
  for (const name of readdirSync(parent)) {
    const prefix = `.partial-${hostname()}-`;
    if (!name.startsWith(prefix)) continue;
    try {
      process.kill(Number.parseInt(name.slice(prefix.length), 10), 0);
    } catch {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}

/**
 * @param {string} path
 * @param {string} text
 */
export function writeAtomically(path, text) {
  const beside = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(beside, text, { flush: true });
  renameSync(beside, path);
}
