#!/usr/bin/env node
/**
 * Makes a checkout (or an installed package) ready to run: npm's packages, compiled TypeScript, libtorch, the addon.
 * Plain JavaScript on Node's own modules, because it runs before anything is installed.
 *
 * Every step first looks whether its work is done. What takes long lands in the user cache under a temporary name and
 * is renamed when complete, so that a killed run leaves nothing that a later run would believe.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { alone } from './setup/atomic.mjs';
import { findCompiler } from './setup/compiler.mjs';
import { installDependencies } from './setup/dependencies.mjs';
import { buildAddon, findAddon } from './setup/engineAddon.mjs';
import { images } from './setup/imageAddon.mjs';
import { findLibtorch, givenLibtorch, SOURCES } from './setup/libtorchSources.mjs';
import { SetupError, STEPS, stopwatch } from './setup/steps.mjs';
import { compile } from './setup/typescript.mjs';

export { outdatedDependencies } from './setup/dependencies.mjs';
export { addonRecordPath, findAddon } from './setup/engineAddon.mjs';
export { buildImageAddon, findImageAddon, imageAddonRecordPath } from './setup/imageAddon.mjs';
export { loadProblem, readLibtorch } from './setup/libtorch.mjs';
export { cacheDirectory } from './setup/places.mjs';
export { SetupError } from './setup/steps.mjs';
export { sourceStamp, staleOutputs } from './setup/typescript.mjs';

/** @typedef {import('./setup.d.mts').AddonRecord} AddonRecord */
/** @typedef {import('./setup.d.mts').SetupStep} SetupStep */
/** @typedef {import('./setup.d.mts').SetupOptions} SetupOptions */
/** @typedef {import('./setup.d.mts').LibtorchSource} LibtorchSource */
/** @typedef {import('./setup.d.mts').Log} Log */

/**
 * Builds the addon in a process of its own, all messages on standard error, and waits for it.
 *
 * @returns {AddonRecord}
 * @throws {SetupError} that says what to install
 */
export function buildAddonNow() {
  const script = fileURLToPath(import.meta.url);
  const { stdout } = spawnSync(process.execPath, [script, '--only', 'engine', '--json'], {
    stdio: ['ignore', 'pipe', 2],
    encoding: 'utf8',
  });
  const answer = stdout ? JSON.parse(stdout) : { error: 'the set-up was ended before it was done' };
  if (answer.error) throw new SetupError(answer.error);
  return answer.addon;
}

/**
 * Does the steps that are not done yet.
 *
 * @param {SetupOptions} [options]
 * @returns {Promise<{ changed: boolean, addon: AddonRecord | undefined, problem: SetupError | undefined }>}
 * @throws {SetupError} when a step fails; with `engine: 'optional'` a missing compiler or libtorch is `problem` instead
 */
export async function setup({
  steps = [...STEPS],
  engine = 'required',
  from,
  again = false,
  quiet = false,
  log: write = line => process.stderr.write(`${line}\n`),
} = {}) {
  const logOf = (/** @type {SetupStep} */ step) => (/** @type {string} */ text) => {
    if (!quiet) write(`${step.padEnd(14)}${text}`);
  };
  const wantsEngine = steps.includes('libtorch') || steps.includes('addon');
  if (wantsEngine && engine === 'required') checkSwitch();
  let changed = false;
  for (const step of steps) {
    if (step === 'libtorch' || step === 'addon') continue;
    const ended = await { dependencies: installDependencies, compile, images }[step](logOf(step));
    logOf(step)(ended.line);
    changed ||= ended.changed;
  }
  if (!wantsEngine) return { changed, addon: undefined, problem: undefined };
  try {
    const { addon, ...ended } = await prepareEngine(steps, { from, again, logOf });
    return { changed: changed || ended.changed, addon, problem: undefined };
  } catch (error) {
    // A choice that was spelt out and is wrong must not go unnoticed.
    if (!(error instanceof SetupError) || engine === 'required' || error.choice || from) throw error;
    return { changed, addon: undefined, problem: error };
  }
}

/** @throws SetupError where the engine is switched off */
function checkSwitch() {
  if (process.env.PADEZOO_NO_ENGINE === '1')
    throw new SetupError('addon: switched off by PADEZOO_NO_ENGINE=1');
}

/**
 * The steps libtorch and addon.
 *
 * @param {readonly SetupStep[]} steps
 * @param {{ from: LibtorchSource | undefined, again: boolean, logOf: (step: SetupStep) => Log }} choices
 * @returns {Promise<{ changed: boolean, addon: AddonRecord | undefined }>}
 */
async function prepareEngine(steps, { from, again, logOf }) {
  checkSwitch();
  const present = () => {
    const addon = again || from ? undefined : findAddon();
    if (addon) logOf('addon')(`up to date (libtorch ${addon.libtorch.version} from ${addon.libtorch.from})`);
    return addon && { changed: false, addon };
  };
  const ready = present();
  if (ready) return ready;
  const given = from ? undefined : givenLibtorch();
  return alone('engine', logOf('addon'), async () => {
    const meanwhile = present(); // another set-up may have built it while this one waited
    if (meanwhile) return meanwhile;
    const compiler = await findCompiler('addon', logOf('addon'));
    const libtorch = given ?? (await findLibtorch(logOf('libtorch'), from));
    logOf('libtorch')(`${libtorch.version} from ${libtorch.from} (${libtorch.path})`);
    if (!steps.includes('addon')) return { changed: true, addon: undefined };
    const seconds = stopwatch();
    const addon = await buildAddon(compiler, libtorch, logOf('addon'));
    logOf('addon')(`built against libtorch ${libtorch.version} (from ${libtorch.from}) in ${seconds()} s`);
    return { changed: true, addon };
  });
}

const HELP = `node scripts/setup.mjs [options]

Makes this checkout ready: npm's packages, compiled TypeScript, the image addon, libtorch and the native engine.

  --only PART     dependencies, compile, images or engine (which does images too); with engine, not having one is a
                  failure
  --from SOURCE   build the engine anew with libtorch from ${Object.keys(SOURCES).join(', ')}
  --again         look for libtorch and build the engine anew
  --json          print the engine's record, or { error }, on standard output
  --help

Environment: PADEZOO_LIBTORCH (a folder with include/ and lib/), PADEZOO_CACHE, PADEZOO_NO_APT=1 (install nothing with
apt-get), PADEZOO_NO_ENGINE=1 (no native code at all), PADEZOO_NO_JPEG=1 (no libjpeg-turbo in the image addon: sharp decodes), CXX (the C++ compiler), CUDA_HOME (a CUDA toolkit, for a libtorch with CUDA).`;

/** @param {string[]} args */
async function main(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      from: { type: 'string' },
      again: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return console.log(HELP);
  /** @type {Record<string, SetupStep[]>} */
  const parts = {
    dependencies: ['dependencies'],
    compile: ['compile'],
    images: ['images'],
    engine: ['images', 'libtorch', 'addon'],
  };
  const steps = values.only === undefined ? [...STEPS] : parts[values.only];
  if (!steps) throw new SetupError(`--only takes ${Object.keys(parts).join(', ')}, got ${values.only}`);
  if (values.from !== undefined && !Object.hasOwn(SOURCES, values.from))
    throw new SetupError(`--from takes ${Object.keys(SOURCES).join(', ')}, got ${values.from}`);
  const from = /** @type {LibtorchSource | undefined} */ (values.from);
  const engine = values.only === undefined ? 'optional' : 'required';
  const { changed, addon, problem } = await setup({ steps, engine, from, again: values.again });
  if (values.json) console.log(JSON.stringify({ addon }));
  if (problem)
    console.error(
      `${problem.message}\nset-up: no native engine; padezoo will run inference on the wasm backend and cannot train`,
    );
  else if (!changed) console.error('set-up: everything is up to date');
}

// realpath: a checkout may be reached through a link.
const [, started = ''] = process.argv;
if (existsSync(started) && fileURLToPath(import.meta.url) === realpathSync(started)) {
  const args = process.argv.slice(2);
  await main(args).catch(error => {
    process.exitCode = 1;
    const message =
      error instanceof SetupError || error?.code?.startsWith('ERR_PARSE_ARGS') ? error.message : error.stack;
    if (args.includes('--json')) console.log(JSON.stringify({ error: message }));
    else console.error(message);
  });
}
