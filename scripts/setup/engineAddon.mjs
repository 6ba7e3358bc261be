/** The step `addon`: the engine's addon and operators, compiled against a libtorch. */
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { compileCommand, findNvcc, kernelSources, resourcesIn } from '../cuda.mjs';
import { buildBeside, writeAtomically } from './atomic.mjs';
import { ADDON_FLAGS, COMPILE_FLAGS, compileOrThrow, nodeHeaders, requireProblem } from './compiler.mjs';
import { readLibtorch } from './libtorch.mjs';
import {
  cacheDirectory,
  contentHash,
  filesBelow,
  hashOf,
  IMAGES,
  MAC,
  NATIVE,
  PLATFORM,
  ROOT,
  readJson,
  SHARED,
  textOf,
} from './places.mjs';
import { run, tailOf } from './programs.mjs';
import { SetupError } from './steps.mjs';

/** @typedef {import('../setup.d.mts').Libtorch} Libtorch */
/** @typedef {import('../setup.d.mts').AddonRecord} AddonRecord */
/** @typedef {import('../cuda.mjs').Nvcc} Nvcc */
/** @typedef {import('../setup.d.mts').Log} Log */

const COMPILE_BYTES = 2 * 2 ** 30; // what a file that includes ATen takes at most, with room for others

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
 * `_GLIBCXX_USE_CXX11_ABI` as libtorch was compiled with it: PyTorch's wheels up to 2.5 take the old std::string.
 *
 * @param {Libtorch} libtorch
 */
function stringAbi({ lib }) {
  return readFileSync(join(lib, `libc10.${SHARED}`), 'latin1').includes('SourceLocationESs') ? 0 : 1;
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
 * The object file of one file of CUDA kernels, from the cache where it is there.
 *
 * @param {Nvcc} nvcc
 * @param {string} source
 * @param {Log} log
 */
async function compileKernels(nvcc, source, log) {
  const name = `${hashOf(contentHash(withHeaders(source)), nvcc.version, ...compileCommand(nvcc.path, '', ''))}.o`;
  const finished = join(cacheDirectory(), 'objects', name);
  if (existsSync(finished)) return finished;
  const beside = `${finished}.${process.pid}`;
  mkdirSync(dirname(finished), { recursive: true });
  const result = await run(compileCommand(nvcc.path, source, beside));
  if (result.code !== 0)
    throw new SetupError(`addon: nvcc failed on ${relative(ROOT, source)}:\n${tailOf(result, 40)}`);
  const { kernels, spills } = resourcesIn(result.errors + result.output);
  log(
    `${basename(source)}: ${kernels} CUDA kernels, ${spills.length || 'none'} of which spill${spills.length === 1 ? 's' : ''} registers`,
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
export async function buildAddon(compiler, libtorch, log) {
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
        const { nvcc } = cuda;
        if (nvcc)
          cudaObjects.push(
            ...(await Promise.all(kernelSources().map(source => compileKernels(nvcc, source, log)))),
          );
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
