#!/usr/bin/env node
/**
 * Builds the native half of the `@tensorflow/tfjs-node` in a project against the libtensorflow of the `tensorflow-cpu`
 * wheel: the one that its own set-up downloads is of 2022. Linux, x64 or arm64; run it in the project, after
 * `npm install --ignore-scripts @tensorflow/tfjs-node@4.22.0`.
 *
 *   --tensorflow DIR   the unpacked Python package `tensorflow` to link with; default: fetched with pip into the user cache
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheDirectory, SetupError } from './setup.mjs';

const VERSION = '2.21.0'; // of tensorflow-cpu; tfjs-node 4.22.0 was tried with it
const NAPI_VERSION = 8; // the newest that tfjs-node's package.json names, which is the one it looks for
const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
/** What the C headers of the wheel include. */
const WANTED = [
  ...LIBRARIES.map(name => `tensorflow/${name}`),
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/platform/',
  'tensorflow/include/tsl/',
  'tensorflow/include/xla/tsl/',
];

try {
  const { values } = parseArgs({ options: { tensorflow: { type: 'string' } } });
  if (process.platform !== 'linux')
    throw new SetupError(`this wheel's libtensorflow is for Linux, not for ${process.platform}`);
  const tfjsNode = findTfjsNode(process.cwd());
  const tensorflow = values.tensorflow ? resolve(values.tensorflow) : fetchTensorflow();
  const binding = build(tfjsNode, tensorflow);
  console.log(`built ${binding}\nagainst ${tensorflow}`);
} catch (error) {
  if (!(error instanceof SetupError) && !(error instanceof TypeError)) throw error;
  console.error(`build-tfjs-node: ${error.message}`);
  process.exitCode = 1;
}

/** The folder of the project's tfjs-node, which must see the same tfjs-core as the project's padezoo. */
function findTfjsNode(/** @type {string} */ project) {
  const require = createRequire(join(project, 'package.json'));
  const folderOf = (/** @type {string} */ name, from = require) =>
    dirname(from.resolve(`${name}/package.json`));
  let folder;
  try {
    folder = folderOf('@tensorflow/tfjs-node');
  } catch (cause) {
    throw new SetupError(
      `no @tensorflow/tfjs-node in ${project}; run \`npm install --ignore-scripts @tensorflow/tfjs-node@4.22.0\` there`,
      { cause },
    );
  }
  const core = (/** @type {string} */ name) =>
    folderOf('@tensorflow/tfjs-core', createRequire(join(folderOf(name), 'package.json')));
  const [its, ours] = [core('@tensorflow/tfjs-node'), core('padezoo')];
  if (its !== ours)
    throw new SetupError(
      `tfjs-node uses ${its}, but padezoo uses ${ours}; ask for one version of both, then run \`npm dedupe\``,
    );
  return folder;
}

/** The headers and libraries of the wheel in the user cache, which `import tensorflow` in Python would need more of. */
function fetchTensorflow() {
  const target = join(cacheDirectory(), 'libtensorflow', `${VERSION}-${process.arch}`);
  if (!existsSync(target)) {
    mkdirSync(dirname(target), { recursive: true });
    const folder = mkdtempSync(`${target}.partial-`);
    try {
      console.error(`fetching tensorflow-cpu ${VERSION} with pip (about 270 MB; 850 MB unpacked)`);
      const wheels = join(folder, 'wheel');
      const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
      // This Python may be too new or too old for a wheel, but only its C libraries are wanted.
      const anyPython = ['--only-binary', ':all:', '--python-version', '3.12'];
      const platform = ['--platform', `manylinux_2_27_${machine}`];
      const pip = [...'python3 -m pip download --quiet --no-deps --retries 1 --dest'.split(' '), wheels];
      const wanted = `tensorflow-cpu==${VERSION}`;
      if (ends([...pip, wanted]) !== 0) run([...pip, ...anyPython, ...platform, wanted]);
      const [wheel = ''] = readdirSync(wheels);
      const program =
        'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); z.extractall(sys.argv[2], [n for n in z.namelist() if n.startswith(tuple(sys.argv[3:]))])';
      run(['python3', '-c', program, join(wheels, wheel), folder, ...WANTED]);
      rmSync(wheels, { recursive: true });
      renameSync(folder, target);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return join(target, 'tensorflow');
}

/** Compiles tfjs-node's own sources, unchanged, to where it looks for the result. */
function build(/** @type {string} */ tfjsNode, /** @type {string} */ tensorflow) {
  const libraries = LIBRARIES.map(name => join(tensorflow, name));
  for (const needed of [...libraries, join(tensorflow, 'include/tensorflow/c/c_api.h')])
    if (!existsSync(needed))
      throw new SetupError(`there is no ${needed}; is this the package tensorflow-cpu?`);
  const headers = join(
    dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json')),
    'include',
  );
  const folder = join(tfjsNode, 'lib', `napi-v${NAPI_VERSION}`);
  mkdirSync(folder, { recursive: true });
  const binding = join(folder, 'tfjs_binding.node');
  const partial = `${binding}.${process.pid}`;
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map(name => join(tfjsNode, 'binding', name));
  try {
    run([
      ...(process.env.CXX ?? 'g++').split(/\s+/),
      ...['-std=c++17', '-O2', '-fPIC', '-shared', `-DNAPI_VERSION=${NAPI_VERSION}`],
      ...[tfjsNode, headers, join(tensorflow, 'include')].map(include => `-I${include}`),
      ...sources,
      ...libraries,
      ...['-Xlinker', '-rpath', '-Xlinker', tensorflow, '-o', partial],
    ]);
    renameSync(partial, binding);
  } finally {
    rmSync(partial, { force: true });
  }
  return binding;
}

function run(/** @type {string[]} */ command) {
  if (ends(command) !== 0) throw new SetupError(`${command.slice(0, 4).join(' ')} ... failed (see above)`);
}

/** Runs a program, its output on standard error, and gives its exit status. */
function ends(/** @type {string[]} */ [program = '', ...args]) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2] });
  if (error) throw new SetupError(`cannot run ${program}: ${error.message}`, { cause: error });
  return status;
}
