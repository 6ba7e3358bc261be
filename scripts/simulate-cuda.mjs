#!/usr/bin/env node
/**
 * Runs a command as on a machine with NVIDIA GPUs, where there is none: a libtorch with CUDA takes the CPU for one. Captures,
 * streams and what is forbidden there are a real device's; the operators are the CPU's, and our kernels run from their own
 * source (test/native/device, test/native/onHost). It tells nothing of a GPU's speed or of its rounding.
 *
 *   PADEZOO_LIBTORCH=<folder of a torch with CUDA> node scripts/simulate-cuda.mjs [--gpus N] [--trace] -- COMMAND...
 *   node scripts/simulate-cuda.mjs -- node dist/src/cli/main.js train lenet --device cuda --epochs 1
 *
 * The engine has to be set up for that libtorch, with nvcc's headers (`npm run setup`). `--trace` says on standard error which
 * operators ran, and how many bytes each read and wrote.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { asCpp, findNvcc, kernelSources } from './cuda.mjs';
import { buildBeside } from './setup/atomic.mjs';
import { cacheDirectory, contentHash, filesBelow, hashOf, NATIVE, ROOT } from './setup/places.mjs';
import { findAddon, readLibtorch } from './setup.mjs';

const SOURCES = join(ROOT, 'test/native');

/** @param {string} program @param {string[]} args */
function output(program, args) {
  const { stdout, stderr, status, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0)
    throw new Error(`simulate-cuda: ${program} failed:\n${(error?.message ?? stderr).slice(-4000)}`);
  return stdout;
}

/**
 * The CUDA functions that a library wants of others.
 *
 * @param {string} library
 */
function wantedBy(library) {
  if (!existsSync(library)) return [];
  const symbols = output('nm', ['-D', '--undefined-only', library]);
  return [...symbols.matchAll(/ U ((?:__cuda|cuda|cu[A-Z])\w+)/g)].map(([, name = '']) => name);
}

/**
 * C that has these functions.
 *
 * @param {Iterable<string>} names
 * @param {(name: string) => string} body
 */
const functions = (names, body) =>
  `#include <stdio.h>\n#include <stdlib.h>\n${Array.from(names, name => `int ${name}(void) { ${body(name)} }\n`).join('')}`;

/** Compiles the device for the libtorch of the set-up. -> its folder */
async function build() {
  const addon = findAddon();
  const nvcc = findNvcc();
  if (addon?.cuda !== 'fused' || !nvcc)
    throw new Error(
      'simulate-cuda: the engine is not set up for a libtorch with CUDA; have nvcc, set PADEZOO_LIBTORCH to the folder of a torch with CUDA, and run `npm run setup`',
    );
  const { path, version } = addon.libtorch;
  const sources = [
    ...filesBelow(join(SOURCES, 'device'), /\.(cpp|h)$/),
    ...filesBelow(join(SOURCES, 'onHost'), /\.h$/),
    ...filesBelow(NATIVE, /\.(cu|h)$/),
    ...['simulate-cuda.mjs', 'cuda.mjs'].map(name => join(ROOT, 'scripts', name)),
  ];
  const target = join(cacheDirectory(), 'simulated', hashOf(contentHash(sources), path, version));
  if (!existsSync(target))
    await buildBeside(target, async folder => compileInto(folder, readLibtorch(path), nvcc.include));
  return target;
}

/**
 * @param {string} folder
 * @param {import('./setup.d.mts').Libtorch} libtorch
 * @param {string[]} headers of the CUDA toolkit
 */
function compileInto(folder, { lib, include, standard }, headers) {
  const toolkit = headers.flatMap(path => ['-isystem', path]);
  const common = ['-O2', '-fPIC', '-Wall', '-Wno-unknown-pragmas'];
  /** @type {string[]} */
  const objects = [];
  const compile = (/** @type {string} */ source, /** @type {string[]} */ ...flags) => {
    const object = join(folder, `${objects.length}.o`);
    output(source.endsWith('.c') ? 'gcc' : 'g++', [...common, ...flags, '-c', source, '-o', object]);
    objects.push(object);
  };
  const written = (/** @type {string} */ name, /** @type {string} */ text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  compile(join(SOURCES, 'device/runtime.cpp'), '-std=c++17', ...toolkit);
  const runtime = output('nm', ['--defined-only', objects[0] ?? '']);
  const known = new Set([...runtime.matchAll(/ T (\w+)/g)].map(([, name]) => name));
  for (const source of kernelSources()) {
    const cpp = written(`${basename(source)}.cpp`, asCpp(readFileSync(source, 'utf8')));
    // A fortified longjmp takes a jump from stack to stack for an attack.
    compile(cpp, '-std=c++17', '-U_FORTIFY_SOURCE', '-I', NATIVE, '-I', join(SOURCES, 'onHost'));
  }
  const parts = ['libc10_cuda.so', 'libtorch_cuda.so', 'libtorch_cuda_linalg.so'].map(name =>
    join(lib, name),
  );
  const unknown = new Set(parts.flatMap(wantedBy).filter(name => !known.has(name)));
  compile(
    written(
      'unknown.c',
      functions(unknown, name => `fputs("not simulated: ${name}\\n", stderr); abort();`),
    ),
  );
  output('g++', ['-shared', '-Wl,-soname,runtime.so', ...objects, '-o', join(folder, 'runtime.so')]);
  // The driver: libtorch only asks whether there is a context.
  const driver = written(
    'driver.c',
    functions(new Set(wantedBy(join(lib, 'libcaffe2_nvrtc.so'))), () => 'return 0;'),
  );
  output('gcc', ['-shared', '-fPIC', '-Wl,-soname,libcuda.so.1', driver, '-o', join(folder, 'libcuda.so.1')]);
  output('g++', [
    ...[...common, '-shared', `-std=${standard}`, ...include.flatMap(path => ['-isystem', path]), ...toolkit],
    ...[join(SOURCES, 'device/operators.cpp'), join(folder, 'runtime.so'), `-L${lib}`, `-Wl,-rpath,${lib}`],
    ...['-ltorch', '-ltorch_cpu', '-ltorch_cuda', '-lc10', '-lc10_cuda', '-o', join(folder, 'operators.so')],
  ]);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { gpus: { type: 'string', default: '1' }, trace: { type: 'boolean', default: false } },
});
const [program, ...args] = positionals;
try {
  if (!program) throw new Error('simulate-cuda: give a command after --');
  const folder = await build();
  const { status, error } = spawnSync(program, args, {
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: join(folder, 'runtime.so'),
      LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require ${join(SOURCES, 'device/preload.cjs')}`,
      SIMULATED_OPERATORS: join(folder, 'operators.so'),
      SIMULATED_GPUS: values.gpus,
      ...(values.trace && { SIMULATED_TRACE: '1' }),
    },
  });
  if (error) throw error;
  process.exitCode = status ?? 1;
} catch (error) {
  console.error(/** @type {Error} */ (error).message);
  process.exitCode = 1;
}
