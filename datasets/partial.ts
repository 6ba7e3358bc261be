/** The beginning of a file whose transfer was broken off: one download goes on with it, whoever else wants the file too. */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isRunning } from '../src/isRunning.js';
import { digestOf } from './checksum.js';

/** Where the first part of `url` waits for its rest: another address never goes on with it. */
export function partialPath(path: string, url: string | URL): string {
  return `${path}.${digestOf('sha256', String(url)).slice(0, 8)}.partial`;
}

let claims = 0;

/**
 * Takes what lies at `partial`, or what a process that is gone had taken; nothing if neither is there.
 * @returns a path of the caller's own, to go on with; `release` gives it back
 */
export async function claim(partial: string): Promise<string> {
  await mkdir(dirname(partial), { recursive: true });
  const own = `${partial}.${owner(process.pid)}-${claims++}`;
  const left = await Promise.all(
    [partial, ...(await abandoned(partial))].map(async path => ({ path, bytes: await sizeOf(path) })),
  );
  left.sort((a, b) => b.bytes - a.bytes);
  const [largest, ...others] = left;
  if (largest!.bytes > 0) await rename(largest!.path, own).catch(() => {}); // another may have been faster
  for (const { path } of others) await rm(path, { force: true });
  return own;
}

/** Leaves what was received for the next who asks, unless more lies there already. */
export async function release(own: string, partial: string): Promise<void> {
  const bytes = await sizeOf(own);
  if (bytes > (await sizeOf(partial))) await rename(own, partial);
  else await rm(own, { force: true });
}

function owner(pid: number): string {
  return `${hostname()}-${pid}`;
}

async function abandoned(partial: string): Promise<string[]> {
  const start = `${basename(partial)}.${hostname()}-`;
  const names = (await readdir(dirname(partial))).filter(name => name.startsWith(start));
  return names
    .filter(name => {
      const pid = Number(name.slice(start.length).split('-', 1)[0]);
      return Number.isInteger(pid) && pid > 0 && !isRunning(pid);
    })
    .map(name => join(dirname(partial), name));
}

/** Its size; 0 for what is not there. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
