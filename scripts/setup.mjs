#!/usr/bin/env node
/**
 * Makes a checkout (or an installed package) ready to run: npm's packages, compiled TypeScript, libtorch, the addon.
 * Plain JavaScript on Node's own modules, because it runs before anything is installed.
 *
 * Every step first looks whether its work is done. What takes long lands in the user cache under a temporary name and
 * is renamed when complete, so that a killed run leaves nothing that a later run would believe.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, homedir, hostname, tmpdir, totalmem } from 'node:os';
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileCommand, findNvcc, resourcesIn } from './cuda.mjs';
import { findJpeg } from './jpeg.mjs';

/** @typedef {import('./setup.d.mts').Libtorch} Libtorch */
/** @typedef {import('./cuda.mjs').Nvcc} Nvcc */
/** @typedef {import('./setup.d.mts').AddonRecord} AddonRecord */
/** @typedef {import('./setup.d.mts').ImageAddonRecord} ImageAddonRecord */
/** @typedef {import('./setup.d.mts').SetupStep} SetupStep */
/** @typedef {import('./setup.d.mts').SetupOptions} SetupOptions */
/** @typedef {import('./setup.d.mts').LibtorchSource} LibtorchSource */
/** @typedef {(line: string) => void} Log */

const PINNED_TORCH = '2.13.0';
const OLDEST_TORCH = /** @type {const} */ ([1, 13]); // what the addon is tested with
const CPU_INDEX = 'https://download.pytorch.org/whl/cpu';
const ARCHIVES = 'https://download.pytorch.org/libtorch/cpu';
const REACH_TIMEOUT_MS = 3_000; // longer than any answer of a reachable host; offline machines wait this long once
const LOCK_BEAT_MS = 5_000;
const LOCK_STALE_MS = 30_000; // six missed beats: its owner was killed
const COMPILE_BYTES = 2 * 2 ** 30; // what a file that includes ATen takes at most, with room for others

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const NATIVE = join(ROOT, 'native');
const MAC = process.platform === 'darwin';
const SHARED = MAC ? 'dylib' : 'so';
const PLATFORM = `${process.platform}-${process.arch}`;
const TRIPLET = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
const STEPS = /** @type {const} */ (['dependencies', 'compile', 'images', 'libtorch', 'addon']);

const COMPILE_FLAGS = ['-O3', '-fPIC', '-Wall', '-Wno-psabi', '-DNDEBUG', ...(MAC ? [] : ['-fopenmp'])];
const ADDON_FLAGS = [
  '-DNAPI_VERSION=9',
  '-DNODE_ADDON_API_CPP_EXCEPTIONS',
  '-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL', // std::exception too is thrown in JavaScript
  '-fvisibility=hidden',
];

/** A step could not be done; `message` says why and what to install. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
  /** whether a setting of the user's is wrong, rather than something missing */
  choice = false;
}

// ---------------------------------------------------------------------------------------------- where things are

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
const isCheckout = () => existsSync(join(ROOT, 'tsconfig.json'));

/** @param {string[]} parts */
const hashOf = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);

/** @param {string} path */
const readJson = path => JSON.parse(readFileSync(path, 'utf8'));

/** @param {string} path */
const textOf = path => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/**
 * Every file below `folder` that `wanted` accepts, sorted; none where there is no such folder.
 *
 * @param {string} folder
 * @param {RegExp} wanted
 * @returns {string[]}
 */
function filesBelow(folder, wanted) {
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
const contentHash = files => hashOf(...files.flatMap(file => [relative(ROOT, file), textOf(file)]));

/** @param {string} name */
function onPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return name.includes('/')
    ? existsSync(name)
    : folders.some(folder => folder && existsSync(join(folder, name)));
}

const isRoot = () => process.getuid?.() === 0;

// ------------------------------------------------------------------------------------- running other programs

/**
 * Runs a program to its end. Its output is kept, or shown on standard error (`show`), which leaves standard output alone.
 *
 * @param {string[]} command
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number | null, output: string, errors: string }>}
 */
function run([program = '', ...args], { cwd = ROOT, env = process.env, show = false, timeoutMs = 0 } = {}) {
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
const tailOf = ({ output, errors }, lines = 12) =>
  (errors.trim() || output.trim()).split('\n').slice(-lines).join('\n');

/**
 * Runs `work` while no other set-up runs it. A lock whose owner was killed is taken over: its owner's process is gone,
 * or it has not been touched for a while. Should two ever run at once, temporary names and renames keep both right.
 *
 * @template T
 * @param {string} name
 * @param {Log} log
 * @param {() => Promise<T>} work
 */
async function alone(name, log, work) {
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
async function buildBeside(target, fill) {
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
function writeAtomically(path, text) {
  const beside = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(beside, text, { flush: true });
  renameSync(beside, path);
}

/**
 * How a step ended.
 *
 * @param {string} line
 */
const done = line => ({ changed: true, line });

/** @param {string} line */
const skipped = line => ({ changed: false, line });

// ------------------------------------------------------------------------------------------- step: dependencies

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
async function installDependencies(log) {
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

// ------------------------------------------------------------------------------------------------ step: compile

/**
 * The sources that tsc compiles: the folders of tsconfig.json's `include`.
 *
 * @param {string} root
 */
function sourceFolders(root) {
  return /** @type {string[]} */ (readJson(join(root, 'tsconfig.json')).include);
}

/**
 * One hash over all that the compiled output depends on; it changes when a source is edited, added, moved or removed.
 *
 * @param {string} root
 */
export function sourceStamp(root) {
  const sources = sourceFolders(root).flatMap(folder => filesBelow(join(root, folder), /\.[cm]?ts$/));
  const settings = ['tsconfig.json', 'package.json', 'package-lock.json'].map(name => join(root, name));
  return hashOf(...[...settings, ...sources].flatMap(file => [relative(root, file), textOf(file)]));
}

/**
 * The outputs of tsc whose source is gone; a test whose source was deleted would otherwise run for ever.
 *
 * @param {string} root
 */
export function staleOutputs(root) {
  const dist = join(root, 'dist');
  return sourceFolders(root)
    .flatMap(folder => filesBelow(join(dist, folder), /\.(d\.)?[cm]?[jt]s(\.map)?$/))
    .filter(file => {
      const source = relative(dist, file).replace(/(\.d)?\.([cm]?)[jt]s(\.map)?$/, '.$2ts');
      return !existsSync(join(root, source));
    });
}

/** @param {Log} log */
async function compile(log) {
  if (!isCheckout()) return skipped('not needed in an installed package');
  return alone(`checkout-${hashOf(ROOT)}`, log, async () => {
    const stampFile = join(ROOT, 'dist/.padezoo-stamp');
    const stamp = sourceStamp(ROOT);
    if (textOf(stampFile) === stamp) return skipped('up to date');
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    if (!existsSync(tsc))
      throw new SetupError('compile: TypeScript is not installed; run `node scripts/setup.mjs`');
    const seconds = stopwatch();
    rmSync(stampFile, { force: true });
    const pretty = String(process.stderr.isTTY ?? false);
    const result = await run([process.execPath, tsc, '--project', ROOT, '--pretty', pretty], { show: true });
    if (result.code !== 0) throw new SetupError('compile: tsc found errors (see above)');
    for (const file of staleOutputs(ROOT)) rmSync(file);
    writeAtomically(stampFile, stamp);
    return done(`compiled into dist/ in ${seconds()} s`);
  });
}

// ----------------------------------------------------------------------------------------------- step: libtorch

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
function usableLibtorch(path) {
  const libtorch = readLibtorch(path);
  const problem = loadProblem(libtorch);
  if (problem) throw new SetupError(`${path} is ${problem}`);
  return libtorch;
}

/**
 * The places where libtorch may come from, in the order in which they are asked. Each gives the folder of one, or throws
 * a SetupError that says why it cannot.
 *
 * @type {Record<LibtorchSource, (log: Log) => Promise<Libtorch>>}
 */
const SOURCES = {
  /** The Python `torch` that is installed; found without importing it, which would take seconds. */
  async python() {
    const program =
      'import importlib.util as u; s = u.find_spec("torch"); print(s.origin and s.submodule_search_locations[0] if s else "")';
    const result = await run(['python3', '-c', program], { cwd: tmpdir() });
    const path = result.output.trim();
    if (result.code !== 0 || !path || path === 'None') throw new SetupError('python3 has no torch');
    return usableLibtorch(path);
  },

  async cache() {
    const found = [cachedTorch(), cachedDebian()].find(existsSync);
    if (!found) throw new SetupError(`nothing in ${join(cacheDirectory(), 'libtorch')}`);
    return usableLibtorch(found);
  },

  /** PyTorch's wheel, of which only headers and libraries are kept. */
  async pip(log) {
    if ((await run(['python3', '-m', 'pip', '--version'])).code !== 0)
      throw new SetupError('python3 has no pip');
    // One quick look, so that an unreachable index does not cost pip's retries.
    const look =
      'import sys, urllib.request as r; r.urlopen(r.Request(sys.argv[1], method="HEAD"), timeout=float(sys.argv[2]))';
    const seconds = String(REACH_TIMEOUT_MS / 1000);
    const reach = await run(['python3', '-c', look, `${CPU_INDEX}/torch/`, seconds], {
      timeoutMs: 2 * REACH_TIMEOUT_MS, // looking up its name comes on top
    });
    log(`fetching PyTorch ${PINNED_TORCH} with pip (about 190 MB; 500 MB unpacked)`);
    await buildBeside(dirname(cachedTorch()), async folder => {
      const wheels = join(folder, 'wheel');
      const pip = ['python3', '-m', 'pip', 'download', '--no-deps', '--retries', '1', '--dest', wheels];
      const anyPython = ['--only-binary', ':all:', '--python-version', '3.12', '--platform', wheelPlatform()];
      const attempts = [
        ...(reach.code === 0 ? [['--index-url', CPU_INDEX]] : []),
        [],
        anyPython, // this Python is too new or too old for a wheel, but only its C++ libraries are wanted
      ];
      let result = { code: /** @type {number | null} */ (1), output: '', errors: '' };
      for (const attempt of attempts) {
        result = await run([...pip, ...attempt, `torch==${PINNED_TORCH}`], { cwd: folder });
        if (result.code === 0) break;
      }
      if (result.code !== 0)
        throw new SetupError(`pip download torch==${PINNED_TORCH}: ${tailOf(result, 2)}`);
      const [wheel = ''] = filesBelow(wheels, /\.whl$/);
      log('unpacking its headers and libraries');
      await unzip(wheel, folder, [
        'torch/include/',
        'torch/lib/',
        'torch/version.py',
        'torch.libs/',
        'torch/.dylibs/',
      ]);
      rmSync(wheels, { recursive: true });
      usableLibtorch(join(folder, 'torch'));
    });
    return readLibtorch(cachedTorch());
  },

  /** PyTorch's archive for C++, where there is no pip. */
  async archive(log) {
    const name = MAC ? `libtorch-macos-${process.arch}-${PINNED_TORCH}` : undefined;
    const builds = ['libtorch-shared-with-deps', 'libtorch-cxx11-abi-shared-with-deps'];
    const names = name
      ? [name]
      : process.arch === 'x64'
        ? builds.map(build => `${build}-${PINNED_TORCH}+cpu`)
        : [];
    if (names.length === 0) throw new SetupError(`PyTorch has no libtorch archive for ${PLATFORM}`);
    const urls = names.map(each => `${ARCHIVES}/${encodeURIComponent(each)}.zip`);
    const url = await firstReachable(urls);
    if (!url) throw new SetupError(`no answer from ${urls[0]} within ${REACH_TIMEOUT_MS / 1000} s`);
    log(`downloading ${url}`);
    await buildBeside(dirname(cachedTorch()), async folder => {
      const zip = join(folder, 'libtorch.zip');
      await download(url, zip);
      await unzip(zip, folder, ['libtorch/include/', 'libtorch/lib/', 'libtorch/build-version']);
      rmSync(zip);
      renameSync(join(folder, 'libtorch'), join(folder, 'torch'));
      usableLibtorch(join(folder, 'torch'));
    });
    return readLibtorch(cachedTorch());
  },

  /** Debian's libtorch-dev: installed, to be installed by root, or unpacked into the cache. */
  async debian(log) {
    if (existsSync('/usr/include/ATen/ATen.h')) return usableLibtorch('/usr');
    if (!onPath('apt-get')) throw new SetupError('no apt-get here');
    const packages = ['libtorch-dev', 'libopenblas0-pthread'];
    const problem = await installWithApt(packages, log);
    if (!problem) return usableLibtorch('/usr');
    if (!onPath('dpkg')) throw new SetupError(`${problem}; no dpkg here`);
    if (existsSync(cachedDebian())) return usableLibtorch(cachedDebian());
    const plan = await run(['apt-get', 'install', '--simulate', '--no-install-recommends', ...packages]);
    if (plan.code !== 0)
      throw new SetupError(`${problem}; apt-get knows no libtorch-dev: ${tailOf(plan, 1)}`);
    // The C library and the compiler's run time must stay the system's: this process has them loaded already.
    const names = [...plan.output.matchAll(/^Inst (\S+)/gm)]
      .flatMap(match => match[1] ?? [])
      .filter(name => !/^(libc6|libc-|libgcc|libstdc\+\+)|-(data|common|plugins)$/.test(name));
    log(
      `unpacking ${names.length} packages of Debian's libtorch-dev into the cache (about 120 MB of downloads)`,
    );
    await buildBeside(dirname(cachedDebian()), async folder => {
      const downloads = join(folder, 'downloads');
      mkdirSync(downloads);
      const fetched = await run(['apt-get', 'download', ...names], { cwd: downloads });
      if (fetched.code !== 0)
        throw new SetupError(`${problem}; apt-get download failed: ${tailOf(fetched, 3)}`);
      for (const file of filesBelow(downloads, /\.deb$/)) {
        const unpacked = await run(['dpkg', '-x', file, folder]);
        if (unpacked.code !== 0) throw new SetupError(`dpkg -x ${basename(file)}: ${tailOf(unpacked, 3)}`);
      }
      rmSync(downloads, { recursive: true });
      gatherLibraries(folder);
      usableLibtorch(join(folder, 'usr'));
    });
    return readLibtorch(cachedDebian());
  },
};

/**
 * Links every library of unpacked Debian packages into one folder, as installing them would have made the loader see
 * them. OpenBLAS lies in a folder of its own, and names only that folder to the loader (RUNPATH), so a longer search
 * path would not do.
 *
 * @param {string} root
 */
function gatherLibraries(root) {
  const lib = join(root, 'usr/lib', TRIPLET);
  for (const folder of [join(lib, 'openblas-pthread'), join(root, 'usr/lib'), join(root, 'lib', TRIPLET)])
    for (const name of existsSync(folder) ? readdirSync(folder) : [])
      if (/^lib.*\.so(\.|$)/.test(name) && !existsSync(join(lib, name)))
        symlinkSync(relative(lib, join(folder, name)), join(lib, name));
}

const FROM = /** @type {const} */ ({
  python: "Python's torch",
  cache: 'the user cache',
  pip: 'pip',
  archive: "PyTorch's archive",
  debian: 'Debian',
});

const cachedTorch = () => join(cacheDirectory(), 'libtorch', `torch-${PINNED_TORCH}-${PLATFORM}`, 'torch');
const cachedDebian = () => join(cacheDirectory(), 'libtorch', `debian-${PLATFORM}`, 'usr');

function wheelPlatform() {
  if (MAC) return `macosx_11_0_${process.arch === 'arm64' ? 'arm64' : 'x86_64'}`;
  return `manylinux_2_28_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
}

/**
 * The libtorch that `PADEZOO_LIBTORCH` names, if it is set. A wrong one is an error: to use another in its stead would
 * hide the mistake.
 */
function givenLibtorch() {
  const given = process.env.PADEZOO_LIBTORCH;
  if (!given) return undefined;
  try {
    return { ...usableLibtorch(resolve(given)), from: 'PADEZOO_LIBTORCH' };
  } catch (cause) {
    const error = new SetupError(
      `libtorch: PADEZOO_LIBTORCH is ${given}, but ${/** @type {Error} */ (cause).message}.\n` +
        "Set it to a folder with libtorch's include/ and lib/, or unset it to have one found.",
      { cause },
    );
    throw Object.assign(error, { choice: true });
  }
}

/**
 * Asks each place in turn.
 *
 * @param {Log} log
 * @param {LibtorchSource} [only]
 * @returns {Promise<Libtorch & { from: string }>}
 */
async function findLibtorch(log, only) {
  /** @type {string[]} */
  const reasons = [];
  for (const source of only ? [only] : /** @type {LibtorchSource[]} */ (Object.keys(SOURCES))) {
    if (
      source === 'archive' &&
      onPath('python3') &&
      reasons.some(reason => reason.startsWith('pip: pip download'))
    )
      continue; // the same host, which pip could not get at
    try {
      return { ...(await SOURCES[source](log)), from: FROM[source] };
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      reasons.push(`${source}: ${error.message}`);
    }
  }
  throw new SetupError(
    [
      'libtorch: none was found.',
      ...reasons.map(reason => `  ${reason}`),
      'Do one of these, then run the set-up again:',
      `  pip install torch==${PINNED_TORCH} --index-url ${CPU_INDEX}`,
      '  sudo apt-get install libtorch-dev        (Debian, Ubuntu)',
      '  unpack libtorch from https://pytorch.org and set PADEZOO_LIBTORCH to its folder',
    ].join('\n'),
  );
}

/**
 * Installs packages as root, and says so first.
 *
 * @param {string[]} packages
 * @param {Log} log
 * @returns {Promise<string | undefined>} why it did not
 */
async function installWithApt(packages, log) {
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

/**
 * Unpacks what lies under some prefixes of a zip file; a CUDA build is refused before its gigabytes are unpacked.
 *
 * @param {string} zip
 * @param {string} folder
 * @param {string[]} prefixes
 */
async function unzip(zip, folder, prefixes) {
  const program = [
    'import sys, zipfile',
    'archive, folder, *prefixes = sys.argv[1:]',
    'with zipfile.ZipFile(archive) as z:',
    '    names = [n for n in z.namelist() if n.startswith(tuple(prefixes))]',
    '    if any(n.endswith("/libtorch_cuda.so") for n in names): sys.exit(9)',
    '    z.extractall(folder, names)',
  ].join('\n');
  const command = onPath('python3')
    ? ['python3', '-c', program, zip, folder, ...prefixes]
    : onPath('unzip')
      ? ['unzip', '-q', zip, ...prefixes.map(prefix => `${prefix}*`), '-d', folder]
      : undefined;
  if (!command) throw new SetupError('neither python3 nor unzip is here to unpack it');
  const result = await run(command);
  if (result.code === 9) throw new SetupError('got a CUDA build, whose companion libraries are not in it');
  if (result.code !== 0) throw new SetupError(`cannot unpack ${basename(zip)}: ${tailOf(result, 2)}`);
}

/** @param {string[]} urls */
async function firstReachable(urls) {
  for (const url of urls) {
    try {
      const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(REACH_TIMEOUT_MS) });
      if (response.ok) return url;
    } catch {
      // Not reachable is one of the two answers that were asked for.
    }
  }
  return undefined;
}

/**
 * @param {string} url
 * @param {string} file
 */
async function download(url, file) {
  try {
    const response = await fetch(url);
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    await pipeline(Readable.fromWeb(/** @type {any} */ (response.body)), createWriteStream(file));
    const expected = response.headers.get('content-length');
    const { size } = statSync(file);
    if (expected && Number(expected) !== size) throw new Error(`${size} of ${expected} bytes`);
  } catch (cause) {
    throw new SetupError(`cannot download ${url}: ${/** @type {Error} */ (cause).message}`, { cause });
  }
}

// -------------------------------------------------------------------------------------------------- step: addon

const IMAGES = join(NATIVE, 'images'); // an addon of its own, without libtorch

/** Of the engine. */
const nativeSources = () =>
  filesBelow(NATIVE, /\.(cpp|cu|h|hpp)$/).filter(file => !file.startsWith(join(IMAGES, '/')));

/** @param {Libtorch} libtorch */
const hasCuda = ({ lib }) => existsSync(join(lib, 'libtorch_cuda.so'));

/**
 * A native source and the headers of ours that it includes, directly or not.
 *
 * @param {string} source
 * @returns {string[]}
 */
function withHeaders(source) {
  const files = new Set([source]);
  for (const file of files) // which grows meanwhile
    for (const [, name = ''] of textOf(file).matchAll(/^\s*#include "(.+)"/gm))
      files.add(join(dirname(file), name));
  return [...files].sort();
}

/** The name under which the present sources, platform and choices are remembered. */
function selector() {
  const { PADEZOO_LIBTORCH: given, CXX = '' } = process.env;
  return hashOf(
    contentHash(nativeSources()),
    PLATFORM,
    given ? resolve(given) : '',
    findNvcc()?.path ?? '',
    CXX,
    readJson(join(ROOT, 'package.json')).version,
    ...COMPILE_FLAGS,
    ...ADDON_FLAGS,
  );
}

/** Where the record of the addon for the present sources and environment is kept. */
export const addonRecordPath = () => join(cacheDirectory(), 'addon', `${selector()}.json`);

/**
 * The addon that an earlier set-up built for the present sources, where it and its libtorch are still there.
 *
 * @returns {AddonRecord | undefined}
 */
export function findAddon() {
  if (process.env.PADEZOO_NO_ENGINE === '1') return undefined;
  try {
    /** @type {AddonRecord} */
    const record = readJson(addonRecordPath());
    if (!existsSync(record.addon) || !existsSync(record.operators)) return undefined;
    // A libtorch that was upgraded in place is another libtorch.
    return readLibtorch(record.libtorch.path).version === record.libtorch.version ? record : undefined;
  } catch {
    return undefined; // not there, or no record: either way the addon has to be built
  }
}

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

/** `CXX`, else g++ (clang++ on macOS). */
const compilerCommand = () => (process.env.CXX ? process.env.CXX.split(/\s+/) : [MAC ? 'clang++' : 'g++']);

/**
 * The C++ compiler; installed by root where it is missing.
 *
 * @param {SetupStep} step
 * @param {Log} log
 */
async function findCompiler(step, log) {
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
 * `_GLIBCXX_USE_CXX11_ABI` as libtorch was compiled with it: PyTorch's wheels up to 2.5 take the old std::string.
 *
 * @param {Libtorch} libtorch
 */
function stringAbi({ lib }) {
  return readFileSync(join(lib, `libc10.${SHARED}`), 'latin1').includes('SourceLocationESs') ? 0 : 1;
}

/**
 * The folders with Node's C headers and their C++ wrapper, which are npm packages.
 *
 * @param {SetupStep} step
 */
function nodeHeaders(step) {
  const require = createRequire(join(ROOT, 'package.json'));
  try {
    const packageFolder = (/** @type {string} */ name) => dirname(require.resolve(`${name}/package.json`));
    return [packageFolder('node-addon-api'), join(packageFolder('node-api-headers'), 'include')];
  } catch (cause) {
    throw new SetupError(`${step}: npm packages are missing; run \`node scripts/setup.mjs\``, { cause });
  }
}

/**
 * @param {string[]} compiler
 * @param {Libtorch} libtorch
 * @param {Nvcc} [nvcc]
 */
function flagsFor(compiler, libtorch, nvcc) {
  // -isystem /usr/include would hide the C library's headers from the C++ ones; the compiler looks there anyway.
  const system = (/** @type {readonly string[]} */ folders) =>
    folders.filter(folder => folder !== '/usr/include').flatMap(folder => ['-isystem', folder]);
  const abi = MAC ? [] : [`-D_GLIBCXX_USE_CXX11_ABI=${stringAbi(libtorch)}`];
  const headers = system(libtorch.include);
  const common = [...compiler, `-std=${libtorch.standard}`, ...COMPILE_FLAGS, ...abi, ...headers];
  const rpath = (/** @type {string} */ folder) => ['-Xlinker', '-rpath', '-Xlinker', folder];
  // DT_RPATH rather than RUNPATH: the loader also uses it for what libtorch itself needs.
  const linux = ['-Wl,--disable-new-dtags', '-Wl,--no-as-needed', '-fopenmp'];
  const link = [
    ...compiler,
    ...(MAC ? ['-dynamiclib', '-undefined', 'dynamic_lookup'] : ['-shared', ...linux]),
    `-L${libtorch.lib}`,
    ...rpath(libtorch.lib),
  ];
  return {
    common,
    addon: [...ADDON_FLAGS, ...system(nodeHeaders('addon'))],
    cuda: nvcc ? ['-DPADEZOO_CUDA', ...system(nvcc.include)] : [],
    // The kernels bring their own CUDA run time: libtorch's may be of another version.
    cudaRuntime: nvcc
      ? [...nvcc.lib.map(folder => `-L${folder}`), '-lcudart_static', '-ldl', '-lrt', '-lpthread']
      : [],
    link,
    rpath,
    libraries: [
      ...['-ltorch', '-ltorch_cpu', '-lc10'],
      ...(hasCuda(libtorch) ? ['-ltorch_cuda', '-lc10_cuda'] : []),
    ],
  };
}

/**
 * What there is for a GPU, and a line that says so. Without nvcc the operators that are ours run as compositions there.
 *
 * @param {Libtorch} libtorch
 * @returns {{ kernels: AddonRecord['cuda'], nvcc?: Nvcc, found: string }}
 */
function cudaPart(libtorch) {
  const nvcc = findNvcc();
  const compiler = nvcc ? `nvcc ${nvcc.version} (${nvcc.path})` : 'no nvcc';
  if (!hasCuda(libtorch))
    return { kernels: 'none', found: `CUDA: ${compiler}; this libtorch is built for the CPU: no GPU` };
  if (!nvcc)
    return {
      kernels: 'composed',
      found:
        "CUDA: libtorch has it, no nvcc: PAUs are composed of libtorch's own kernels on a GPU; a CUDA toolkit makes them fast",
    };
  return { kernels: 'fused', nvcc, found: `CUDA: libtorch has it, ${compiler}: compiling the PAU kernels` };
}

/**
 * The CUDA kernels' object file, from the cache where it is there.
 *
 * @param {Nvcc} nvcc
 * @param {string} source
 * @param {Log} log
 */
async function compileKernels(nvcc, source, log) {
  const name = `${hashOf(contentHash(withHeaders(source)), nvcc.version, ...compileCommand(nvcc.path, ''))}.o`;
  const finished = join(cacheDirectory(), 'objects', name);
  if (existsSync(finished)) return finished;
  const beside = `${finished}.${process.pid}`;
  mkdirSync(dirname(finished), { recursive: true });
  const result = await run(compileCommand(nvcc.path, beside));
  if (result.code !== 0)
    throw new SetupError(`addon: nvcc failed on ${relative(ROOT, source)}:\n${tailOf(result, 40)}`);
  const { kernels, spills } = resourcesIn(result.errors + result.output);
  log(
    `${kernels} CUDA kernels, ${spills.length || 'none'} of which spill${spills.length === 1 ? 's' : ''} registers`,
  );
  renameSync(beside, finished);
  return finished;
}

/** How many files are compiled at once: as many as there are cores, and memory for. */
function compileJobs() {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / COMPILE_BYTES)));
}

/**
 * Compiles and links both libraries, and proves that a fresh Node loads them.
 *
 * @param {{ command: string[], name: string }} compiler
 * @param {Libtorch & { from: string }} libtorch
 * @param {Log} log
 * @returns {Promise<AddonRecord>}
 */
async function buildAddon(compiler, libtorch, log) {
  const cuda = cudaPart(libtorch);
  log(cuda.found);
  const flags = flagsFor(compiler.command, libtorch, cuda.nvcc);
  const sources = nativeSources();
  const key = hashOf(
    contentHash(sources),
    libtorch.path,
    libtorch.version,
    PLATFORM,
    compiler.name,
    JSON.stringify(flags),
    cuda.nvcc?.path ?? '',
  );
  const target = join(cacheDirectory(), 'addon', key);
  const operatorsName = `libpadezoo_operators.${SHARED}`;
  const files = (/** @type {string} */ part) =>
    sources.filter(file => file.startsWith(join(NATIVE, part, '/')) && file.endsWith('.cpp'));
  const kernels = join(NATIVE, 'pade_cuda.cu');
  const operators = [
    ...files('operators').map(source => ({ source, flags: flags.common })),
    ...(cuda.nvcc ? files('cuda') : []).map(source => ({ source, flags: [...flags.common, ...flags.cuda] })),
  ];
  const addon = files('addon').map(source => ({
    source,
    flags: [...flags.common, ...flags.addon, ...flags.cuda],
  }));
  if (!operators.length || !addon.length)
    throw new SetupError(`addon: ${NATIVE} has no sources; install padezoo again`);
  if (!existsSync(join(target, 'padezoo.node'))) {
    const units = [...operators, ...addon];
    /** Where a compiled file is kept: one that has not changed, in any checkout, is not compiled again. */
    const object = (/** @type {{ source: string, flags: string[] }} */ { source, flags: own }) =>
      join(
        cacheDirectory(),
        'objects',
        `${hashOf(contentHash(withHeaders(source)), compiler.name, libtorch.version, ...own)}.o`,
      );
    const waiting = units.filter(unit => !existsSync(object(unit)));
    log(
      `compiling ${waiting.length} of ${units.length} files with ${compiler.name} against libtorch ${libtorch.version}`,
    );
    const objects = (/** @type {typeof units} */ part) => part.map(object);
    await buildBeside(target, async folder => {
      const work = async () => {
        for (let unit = waiting.shift(); unit; unit = waiting.shift()) {
          const finished = object(unit);
          const beside = `${finished}.${process.pid}`;
          mkdirSync(dirname(finished), { recursive: true });
          await compileOrThrow('addon', [...unit.flags, '-c', unit.source, '-o', beside], unit.source);
          renameSync(beside, finished);
        }
      };
      /** @type {string[]} */
      const cudaObjects = [];
      const kernelWork = async () => {
        if (cuda.nvcc) cudaObjects.push(await compileKernels(cuda.nvcc, kernels, log));
      };
      // allSettled: a folder that is removed while the other compiler still writes would come back.
      const results = await Promise.allSettled([
        kernelWork(),
        ...Array.from({ length: compileJobs() }, work),
      ]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      const operatorsFile = join(folder, operatorsName);
      const name = MAC ? ['-install_name', `@rpath/${operatorsName}`] : [`-Wl,-soname,${operatorsName}`];
      await compileOrThrow(
        'addon',
        [
          ...[...flags.link, ...name, ...objects(operators), ...cudaObjects],
          ...[...flags.libraries, ...flags.cudaRuntime, '-o', operatorsFile],
        ],
        operatorsName,
      );
      const own = [`-L${folder}`, '-lpadezoo_operators', ...flags.rpath(MAC ? '@loader_path' : '$ORIGIN')];
      const addonFile = join(folder, 'padezoo.node');
      await compileOrThrow(
        'addon',
        [...flags.link, ...objects(addon), ...own, ...flags.libraries, '-o', addonFile],
        'padezoo.node',
      );
      const problem = await requireProblem(addonFile);
      if (problem)
        throw new SetupError(
          `addon: Node ${process.version} cannot load what was built for libtorch ${libtorch.version} in ${libtorch.path}:\n${problem}`,
        );
    });
  }
  /** @type {AddonRecord} */
  const record = {
    addon: join(target, 'padezoo.node'),
    operators: join(target, operatorsName),
    libtorch: { path: libtorch.path, version: libtorch.version, from: libtorch.from },
    compiler: compiler.name,
    cuda: cuda.kernels,
    built: new Date().toISOString(),
  };
  writeAtomically(addonRecordPath(), `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

/**
 * Why a fresh Node cannot load an addon, or undefined.
 *
 * @param {string} file
 */
async function requireProblem(file) {
  const load =
    'try { require(process.argv[1]) } catch (error) { console.error(error.message); process.exit(1) }';
  const loaded = await run([process.execPath, '-e', load, file]);
  return loaded.code === 0 ? undefined : tailOf(loaded);
}

/**
 * @param {SetupStep} step
 * @param {string[]} command
 * @param {string} what
 */
async function compileOrThrow(step, command, what) {
  const result = await run(command);
  if (result.code !== 0)
    throw new SetupError(
      `${step}: ${command[0]} failed on ${relative(ROOT, what)}:\n${tailOf(result, 40)}\n(${command.join(' ')})`,
    );
  if (result.errors) process.stderr.write(result.errors); // warnings
}

// ------------------------------------------------------------------------------------------------- step: images

const IMAGE_FLAGS = [
  '-std=c++17',
  ...COMPILE_FLAGS.filter(flag => flag !== '-fopenmp'),
  ...ADDON_FLAGS,
  ...(MAC ? ['-dynamiclib', '-undefined', 'dynamic_lookup'] : ['-shared']),
];

/** Where the record of the image addon for the present sources and environment is kept. */
export function imageAddonRecordPath() {
  const { CXX = '', PADEZOO_NO_JPEG = '' } = process.env;
  const key = hashOf(
    contentHash(filesBelow(IMAGES, /\.(cpp|h)$/)),
    PLATFORM,
    CXX,
    PADEZOO_NO_JPEG,
    ...IMAGE_FLAGS,
  );
  return join(cacheDirectory(), 'addon', `images-${key}.json`);
}

/**
 * The image addon that an earlier set-up built for the present sources.
 *
 * @returns {ImageAddonRecord | undefined}
 */
export function findImageAddon() {
  if (process.env.PADEZOO_NO_ENGINE === '1') return undefined;
  try {
    /** @type {ImageAddonRecord} */
    const record = readJson(imageAddonRecordPath());
    return existsSync(record.addon) ? record : undefined;
  } catch {
    return undefined; // not there, or no record: either way it has to be built
  }
}

/**
 * Compiles the image addon, with libjpeg-turbo where it is found, and proves that a fresh Node loads it.
 *
 * @param {Log} log
 * @returns {Promise<{ changed: boolean, record: ImageAddonRecord }>}
 * @throws {SetupError} that says what is missing; sharp and TypeScript do the work without it
 */
export async function buildImageAddon(log) {
  const present = () => {
    const record = findImageAddon();
    if (!record) return undefined;
    // A libjpeg-turbo that was installed or upgraded since asks for another addon, which takes a compiler to tell and to make.
    const isCurrent =
      !onPath(compilerCommand()[0] ?? '') || record.jpeg === (findJpeg(compilerCommand()).version ?? null);
    return isCurrent ? { changed: false, record } : undefined;
  };
  return (
    present() ??
    alone('images', log, async () => {
      const meanwhile = present();
      if (meanwhile) return meanwhile;
      const { command } = await findCompiler('images', log);
      const jpeg = findJpeg(command);
      const recordPath = imageAddonRecordPath();
      const target = join(
        dirname(recordPath),
        `${basename(recordPath, '.json')}-${hashOf(jpeg.version ?? '')}`,
      );
      const headers = nodeHeaders('images').flatMap(folder => ['-isystem', folder]);
      await buildBeside(target, async folder => {
        const file = join(folder, 'padezoo_images.node');
        const withJpeg = jpeg.version ? ['-DPADEZOO_LIBJPEG', '-ljpeg'] : [];
        const sources = filesBelow(IMAGES, /\.cpp$/);
        await compileOrThrow(
          'images',
          [...command, ...IMAGE_FLAGS, ...headers, ...sources, ...withJpeg, '-o', file],
          IMAGES,
        );
        const problem = await requireProblem(file);
        if (problem)
          throw new SetupError(`images: Node ${process.version} cannot load what was built:\n${problem}`);
      });
      const record = { addon: join(target, 'padezoo_images.node'), jpeg: jpeg.version ?? null };
      writeAtomically(recordPath, `${JSON.stringify(record, null, 2)}\n`);
      log(jpeg.found);
      return { changed: true, record };
    })
  );
}

/**
 * The step, which never fails.
 *
 * @param {Log} log
 */
async function images(log) {
  if (process.env.PADEZOO_NO_ENGINE === '1') return skipped('switched off by PADEZOO_NO_ENGINE=1');
  const seconds = stopwatch();
  try {
    const { changed, record } = await buildImageAddon(log);
    const how = record.jpeg ? `libjpeg-turbo ${record.jpeg}` : 'sharp';
    return changed
      ? done(`built in ${seconds()} s; JPEGs by ${how}`)
      : skipped(`up to date (JPEGs by ${how})`);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return skipped(`${error.message}\nimages are decoded by sharp and resized in TypeScript`);
  }
}

// --------------------------------------------------------------------------------------------------- all of it

function stopwatch() {
  const start = performance.now();
  return () => ((performance.now() - start) / 1000).toFixed(0);
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
