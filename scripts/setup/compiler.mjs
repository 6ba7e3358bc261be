/** The C++ compiler, and what both addons ask of it. */
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { MAC, onPath, ROOT } from './places.mjs';
import { installWithApt, run, tailOf } from './programs.mjs';
import { SetupError } from './steps.mjs';

/** @typedef {import('../setup.d.mts').SetupStep} SetupStep */
/** @typedef {import('../setup.d.mts').Log} Log */

export const COMPILE_FLAGS = [
  '-O3',
  '-fPIC',
  '-Wall',
  '-Wno-psabi',
  '-DNDEBUG',
  ...(MAC ? [] : ['-fopenmp']),
];

export const ADDON_FLAGS = [
  '-DNAPI_VERSION=9',
  '-DNODE_ADDON_API_CPP_EXCEPTIONS',
  '-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL', // std::exception too is thrown in JavaScript
  '-fvisibility=hidden',
];

/** `CXX`, else g++ (clang++ on macOS). */
export const compilerCommand = () =>
  process.env.CXX ? process.env.CXX.split(/\s+/) : [MAC ? 'clang++' : 'g++'];

/**
 * The C++ compiler; installed by root where it is missing.
 *
 * @param {SetupStep} step
 * @param {Log} log
 */
export async function findCompiler(step, log) {
  const command = compilerCommand();
  const name = command.join(' ');
  if (!onPath(command[0] ?? '')) {
    const install = MAC ? 'xcode-select --install' : 'sudo apt-get install g++        (Debian, Ubuntu)';
    const problem = process.env.CXX ? 'CXX names it' : MAC ? '' : await installWithApt(['g++'], log);
    if (problem !== undefined)
      throw new SetupError(
        `${step}: there is no ${name}${problem && ` (${problem})`}. Install a C++ compiler, then run the set-up again:\n  ${install}`,
      );
  }
  const version = await run([...command, '--version']);
  if (version.code !== 0) throw new SetupError(`${step}: ${name} --version failed: ${tailOf(version, 3)}`);
  return { command, name: (version.output.split('\n')[0] ?? name).trim() };
}

/**
 * The folders with Node's C headers and their C++ wrapper, which are npm packages.
 *
 * @param {SetupStep} step
 */
export function nodeHeaders(step) {
  const require = createRequire(join(ROOT, 'package.json'));
  try {
    const packageFolder = (/** @type {string} */ name) => dirname(require.resolve(`${name}/package.json`));
    return [packageFolder('node-addon-api'), join(packageFolder('node-api-headers'), 'include')];
  } catch (cause) {
    throw new SetupError(`${step}: npm packages are missing; run \`node scripts/setup.mjs\``, { cause });
  }
}

/**
 * @param {SetupStep} step
 * @param {string[]} command
 * @param {string} what
 */
export async function compileOrThrow(step, command, what) {
  const result = await run(command);
  if (result.code !== 0)
    throw new SetupError(
      `${step}: ${command[0]} failed on ${relative(ROOT, what)}:\n${tailOf(result, 40)}\n(${command.join(' ')})`,
    );
  if (result.errors) process.stderr.write(result.errors); // warnings
}

/**
 * Why a fresh Node cannot load an addon, or undefined.
 *
 * @param {string} file
 */
export async function requireProblem(file) {
  const load =
    'try { require(process.argv[1]) } catch (error) { console.error(error.message); process.exit(1) }';
  const loaded = await run([process.execPath, '-e', load, file]);
  return loaded.code === 0 ? undefined : tailOf(loaded);
}
