/** What a folder with a libtorch holds, and whether it can be loaded. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { MAC, SHARED, TRIPLET, textOf } from './places.mjs';
import { SetupError } from './steps.mjs';

/** @typedef {import('../setup.d.mts').Libtorch} Libtorch */

const OLDEST_TORCH = /** @type {const} */ ([1, 13]); // what the addon is tested with

/**
 * What a folder holds, where it is a libtorch: PyTorch's archive, the `torch` folder of its wheel, or a `/usr` with
 * Debian's packages.
 *
 * @param {string} path
 * @returns {Libtorch}
 * @throws {SetupError} that says what is missing
 */
export function readLibtorch(path) {
  const folders = [join(path, 'lib', TRIPLET), join(path, 'lib')];
  const lib = folders.find(folder => existsSync(join(folder, `libtorch_cpu.${SHARED}`)));
  if (!lib) throw new SetupError(`${path} has no lib/libtorch_cpu.${SHARED}`);
  if (!existsSync(join(lib, `libc10.${SHARED}`))) throw new SetupError(`${lib} has no libc10.${SHARED}`);
  if (!existsSync(join(path, 'include/ATen/ATen.h')))
    throw new SetupError(`${path} has no include/ATen/ATen.h`);
  const version = versionOf(path, lib);
  if (!version) throw new SetupError(`cannot tell the version of the libtorch in ${path}`);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST_TORCH[0] || (major === OLDEST_TORCH[0] && minor < OLDEST_TORCH[1]))
    throw new SetupError(
      `${path} holds libtorch ${version}; padezoo needs ${OLDEST_TORCH.join('.')} or newer`,
    );
  const include = [join(path, 'include'), join(path, 'include/torch/csrc/api/include')];
  return {
    path,
    version,
    include,
    lib,
    standard: major > 2 || (major === 2 && minor >= 10) ? 'c++20' : 'c++17',
  };
}

/**
 * @param {string} path
 * @param {string} lib
 */
function versionOf(path, lib) {
  const number = /\d+\.\d+(\.\d+)?/;
  const written = [
    /__version__ = '(.*)'/.exec(textOf(join(path, 'version.py')))?.[1],
    textOf(join(path, 'build-version')),
    ...['torch/csrc/api/include/torch', 'torch/headeronly', 'torch'].map(
      folder => /TORCH_VERSION\s+\\?\s*"(.*)"/.exec(textOf(join(path, 'include', folder, 'version.h')))?.[1],
    ),
    // Debian's so-name: libtorch_cpu.so.1.13
    ...readdirSync(lib).map(name => /^libtorch_cpu\.so\.(.*)$/.exec(name)?.[1]),
  ];
  return written.map(text => number.exec(text ?? '')?.[0]).find(Boolean);
}

/**
 * Why the loader would not load a libtorch, or undefined. The usual case: PyTorch's CUDA wheel on its own, whose
 * libcudart, libcudnn and others come in separate packages.
 *
 * @param {Libtorch} libtorch
 */
export function loadProblem(libtorch) {
  if (MAC) return undefined;
  const cuda = existsSync(join(libtorch.lib, 'libtorch_cuda.so'));
  const kind = cuda ? 'a CUDA build without its companion libraries' : 'a libtorch with missing libraries';
  const env = { ...process.env, LD_LIBRARY_PATH: libtorch.lib };
  const missing = new Set();
  for (const name of cuda ? ['libtorch_cpu.so', 'libc10_cuda.so', 'libtorch_cuda.so'] : ['libtorch_cpu.so']) {
    const {
      error,
      status,
      stdout = '',
    } = spawnSync('ldd', [join(libtorch.lib, name)], { encoding: 'utf8', env });
    if (error && cuda && !existsSync(join(libtorch.path, '../nvidia'))) return kind;
    if (error) return undefined; // without ldd the load check at the end has to find out
    if (status !== 0) return `${kind}: ${name} is not a library that this machine can load`;
    for (const [, library] of stdout.matchAll(/^\s*(\S+) => not found/gm)) missing.add(library);
  }
  return missing.size
    ? `${kind} (${[...missing].slice(0, 4).join(', ')}${missing.size > 4 ? ', ...' : ''})`
    : undefined;
}

/**
 * @param {string} path
 * @throws {SetupError} when it is none, or one that cannot be loaded
 */
export function usableLibtorch(path) {
  const libtorch = readLibtorch(path);
  const problem = loadProblem(libtorch);
  if (problem) throw new SetupError(`${path} is ${problem}`);
  return libtorch;
}
