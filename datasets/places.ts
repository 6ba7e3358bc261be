/** Where data sets can lie on this machine. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PadezooError } from '../src/errors.js';

/** `PADEZOO_CACHE`, else the platform's folder for caches. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.PADEZOO_CACHE) return environment.PADEZOO_CACHE;
  const xdg = environment.XDG_CACHE_HOME;
  if (xdg && isAbsolute(xdg)) return join(xdg, 'padezoo'); // the XDG specification: a relative one is ignored
  return process.platform === 'darwin'
    ? join(homedir(), 'Library', 'Caches', 'padezoo')
    : join(homedir(), '.cache', 'padezoo');
}

/**
 * The folder of padezoo's own package.json, above the compiled modules as above the sources.
 * @throws PadezooError when there is none, as in a bundle without its data files
 */
export function packageDirectory(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let directory = start; ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'padezoo')
      return directory;
    if (directory === dirname(directory))
      throw new PadezooError(
        `datasets: no package.json of padezoo above ${start}; install padezoo as a package to use its embedded data`,
      );
  }
}

/** Of files and folders in a folder; none where it cannot be read, which whoever needs them says. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
