/** The step `dependencies`: npm's packages, as package-lock.json has them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { alone } from './atomic.mjs';
import { hashOf, isCheckout, ROOT, readJson } from './places.mjs';
import { run, tailOf } from './programs.mjs';
import { done, SetupError, skipped, stopwatch } from './steps.mjs';

/** @typedef {import('../setup.d.mts').Log} Log */

/**
 * Why `node_modules` is not what package-lock.json asks for, or undefined where it is. npm writes down what it has
 * installed (`node_modules/.package-lock.json`) as its last act, so a killed install is seen as well.
 *
 * @param {string} root
 */
export function outdatedDependencies(root) {
  const lockFile = join(root, 'package-lock.json');
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return 'nothing is installed yet';
  const manifest = readJson(join(root, 'package.json'));
  const installed = readJson(installedFile).packages;
  if (!existsSync(lockFile)) {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    const missing = names.find(name => !installed[`node_modules/${name}`]);
    return missing && `${missing} is not installed`;
  }
  const locked = readJson(lockFile).packages;
  for (const kind of ['dependencies', 'devDependencies'])
    if (JSON.stringify(sorted(manifest[kind])) !== JSON.stringify(sorted(locked['']?.[kind])))
      return `package.json and package-lock.json differ in their ${kind}`;
  for (const [path, wanted] of Object.entries(locked)) {
    const found = installed[path];
    if (path === '' || (!found && wanted.optional)) continue; // an optional package may be for another platform
    if (found?.version !== wanted.version || found?.integrity !== wanted.integrity)
      return `${path.replace(/^.*node_modules\//, '')} ${wanted.version ?? ''} is not installed`;
  }
  return undefined;
}

/** @param {Record<string, string>} [record] */
const sorted = (record = {}) => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

/** @param {Log} log */
export async function installDependencies(log) {
  if (!isCheckout()) return skipped('not needed in an installed package');
  return alone(`checkout-${hashOf(ROOT)}`, log, async () => {
    const reason = outdatedDependencies(ROOT);
    if (!reason) return skipped('up to date');
    // The ONNX runtime is for tests and runs on the CPU: its post-install script would fetch CUDA libraries.
    const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
    const npm = (/** @type {string[]} */ ...words) => {
      log(`npm ${words.join(' ')}`);
      return run(['npm', ...words, '--no-audit', '--no-fund', '--loglevel=error'], { env });
    };
    log(reason);
    const seconds = stopwatch();
    let result = existsSync(join(ROOT, 'package-lock.json')) ? await npm('ci') : await npm('install');
    if (result.errors.includes('code EUSAGE')) {
      // The lock file was made where the registry lacks packages of other platforms, or does not fit package.json.
      log('npm ci does not accept package-lock.json; taking from it what it has');
      result = await npm('install', '--no-save');
    }
    if (result.code !== 0)
      throw new SetupError(
        `dependencies: npm failed:\n${tailOf(result)}\nSee that the npm registry can be reached, then run the set-up again.`,
      );
    return done(`installed in ${seconds()} s`);
  });
}
