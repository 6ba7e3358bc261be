/** The step `libtorch`: finds one, or fetches it. */
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buildBeside } from './atomic.mjs';
import { readLibtorch, usableLibtorch } from './libtorch.mjs';
import { cacheDirectory, filesBelow, MAC, onPath, PLATFORM, TRIPLET } from './places.mjs';
import { installWithApt, run, tailOf } from './programs.mjs';
import { SetupError } from './steps.mjs';

/** @typedef {import('../setup.d.mts').Libtorch} Libtorch */
/** @typedef {import('../setup.d.mts').LibtorchSource} LibtorchSource */
/** @typedef {import('../setup.d.mts').Log} Log */

const PINNED_TORCH = '2.13.0';
const CPU_INDEX = 'https://download.pytorch.org/whl/cpu';
const ARCHIVES = 'https://download.pytorch.org/libtorch/cpu';
const REACH_TIMEOUT_MS = 3_000; // longer than any answer of a reachable host; offline machines wait this long once
const cachedTorch = () => join(cacheDirectory(), 'libtorch', `torch-${PINNED_TORCH}-${PLATFORM}`, 'torch');
const cachedDebian = () => join(cacheDirectory(), 'libtorch', `debian-${PLATFORM}`, 'usr');

const FROM = /** @type {const} */ ({
  python: "Python's torch",
  cache: 'the user cache',
  pip: 'pip',
  archive: "PyTorch's archive",
  debian: 'Debian',
});

/**
 * The libtorch that `PADEZOO_LIBTORCH` names, if it is set. A wrong one is an error: to use another in its stead would
 * hide the mistake.
 */
export function givenLibtorch() {
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
export async function findLibtorch(log, only) {
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
 * The places where libtorch may come from, in the order in which they are asked. Each gives the folder of one, or throws
 * a SetupError that says why it cannot.
 *
 * @type {Record<LibtorchSource, (log: Log) => Promise<Libtorch>>}
 */
export const SOURCES = {
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

function wheelPlatform() {
  if (MAC) return `macosx_11_0_${process.arch === 'arm64' ? 'arm64' : 'x86_64'}`;
  return `manylinux_2_28_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
}

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
