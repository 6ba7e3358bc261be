/** Running other programs, and having apt-get install them. */
import { spawn } from 'node:child_process';
import { onPath, ROOT } from './places.mjs';

/** @typedef {import('../setup.d.mts').Log} Log */

/**
 * Runs a program to its end. Its output is kept, or shown on standard error (`show`), which leaves standard output alone.
 *
 * @param {string[]} command
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number | null, output: string, errors: string }>}
 */
export function run(
  [program = '', ...args],
  { cwd = ROOT, env = process.env, show = false, timeoutMs = 0 } = {},
) {
  return new Promise(ended => {
    const stream = show ? 2 : 'pipe';
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', stream, stream], timeout: timeoutMs });
    let output = '';
    let errors = '';
    child.stdout?.setEncoding('utf8').on('data', text => (output += text));
    child.stderr?.setEncoding('utf8').on('data', text => (errors += text));
    child.on('error', error => ended({ code: null, output, errors: error.message }));
    child.on('close', code => ended({ code, output, errors }));
  });
}

/**
 * The last lines of what a program printed, for an error message.
 *
 * @param {{ output: string, errors: string }} result
 */
export const tailOf = ({ output, errors }, lines = 12) =>
  (errors.trim() || output.trim()).split('\n').slice(-lines).join('\n');

const isRoot = () => process.getuid?.() === 0;

/**
 * Installs packages as root, and says so first.
 *
 * @param {string[]} packages
 * @param {Log} log
 * @returns {Promise<string | undefined>} why it did not
 */
export async function installWithApt(packages, log) {
  if (!onPath('apt-get')) return 'there is no apt-get';
  if (!isRoot()) return 'apt-get install needs root';
  if (process.env.PADEZOO_NO_APT === '1') return 'PADEZOO_NO_APT=1 forbids apt-get install';
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const policy = await run(['apt-cache', 'policy', ...packages], { env: { ...env, LC_ALL: 'C' } });
  const known = [...policy.output.matchAll(/Candidate: (?!\(none\))/g)].length;
  if (known < packages.length) {
    log('apt-get update, because its lists know nothing of what is needed');
    await run(['apt-get', 'update'], { env });
  }
  log(`installing ${packages.join(' and ')} with apt-get, as root (PADEZOO_NO_APT=1 forbids it)`);
  const result = await run(['apt-get', 'install', '-y', '--no-install-recommends', ...packages], { env });
  return result.code === 0 ? undefined : `apt-get install failed: ${tailOf(result, 2)}`;
}
