#!/usr/bin/env node
/**
 * Compiles the CUDA kernels, which need nvcc alone, and reads from its resource report whether registers spill.
 *
 *   node scripts/cuda.mjs        prints { nvcc, architectures, kernels, spills, frames, registers } as JSON
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const NATIVE = resolve(dirname(fileURLToPath(import.meta.url)), '../native');
const ARCHITECTURES = ['80', '90', '100'];

/**
 * The CUDA compiler: of `CUDA_HOME` or `CUDA_PATH`, else on the path, else in its usual place.
 *
 * @typedef {{ path: string, version: string, include: string[], lib: string[] }} Nvcc `include` and `lib` are the folders
 *   that nvcc itself looks in, where they are not the system's
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Nvcc | undefined}
 */
export function findNvcc(env = process.env) {
  const folders = [env.CUDA_HOME, env.CUDA_PATH].filter(Boolean).map(home => join(home ?? '', 'bin'));
  const places = [...folders, ...(env.PATH ?? '').split(delimiter), '/usr/local/cuda/bin'];
  for (const place of places) {
    const path = join(place, 'nvcc');
    if (!place || !existsSync(path)) continue;
    const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    const version = /release (\S+),/.exec(stdout ?? '')?.[1];
    if (status !== 0 || !version) continue;
    // It may be a script that calls the real one, and toolkits differ in their folders: only nvcc itself knows.
    const dry = spawnSync(path, ['--dryrun', '-c', '-x', 'cu', '/dev/null'], { encoding: 'utf8' });
    return { path, version, ...foldersIn(`${dry.stderr}${dry.stdout}`) };
  }
  return undefined;
}

/**
 * The folders of headers and libraries that `nvcc --dryrun` names.
 *
 * @param {string} report
 */
export function foldersIn(report) {
  const named = (/** @type {string} */ variable, /** @type {string} */ option) => {
    const line = new RegExp(`^#\\$ ${variable}=(.*)$`, 'm').exec(report)?.[1] ?? '';
    return [...line.matchAll(new RegExp(`"${option}([^"]+)"`, 'g'))].map(match => resolve(match[1] ?? ''));
  };
  return { include: named('INCLUDES', '-I'), lib: named('LIBRARIES', '-L') };
}

/**
 * The options that name the GPUs to compile for, as far as this nvcc knows them; the newest also as PTX, for later ones.
 *
 * @param {string} nvcc
 */
export function architectureFlags(nvcc) {
  const { stdout } = spawnSync(nvcc, ['--list-gpu-code'], { encoding: 'utf8' });
  const known = ARCHITECTURES.filter(name => new RegExp(`^sm_${name}$`, 'm').test(stdout));
  return known.map(name => {
    const code = name === known.at(-1) ? `[sm_${name},compute_${name}]` : `sm_${name}`;
    return `-gencode=arch=compute_${name},code=${code}`;
  });
}

/** The files of kernels. */
export const kernelSources = () =>
  readdirSync(NATIVE)
    .filter(name => name.endsWith('.cu'))
    .sort()
    .map(name => join(NATIVE, name));

/**
 * The command that compiles a file of kernels into `output`.
 *
 * @param {string} nvcc
 * @param {string} source
 * @param {string} output
 */
export function compileCommand(nvcc, source, output) {
  const common = ['-std=c++17', '-O3', '--threads', '2', '-Xcompiler', '-fPIC', '-Xptxas', '-v'];
  return [nvcc, ...common, ...architectureFlags(nvcc), '-c', source, '-o', output];
}

/**
 * CUDA's launches and shared memory as C++, for test/native/onHost/cuda_runtime.h, which runs them on the CPU.
 *
 * @param {string} source of kernels
 */
export const asCpp = source =>
  source
    .replace(/(\w+(?:<[\w, ]+>)?)<<<(.+?)>>>\(/g, 'onHost::launch($2)($1)(')
    .replace(/__shared__ \w+ (\w+)[^;]*;/g, '$& onHost::begin($1);');

/**
 * What ptxas reports: kernels that spill, those that have local memory (a stack frame) at all, and the most registers that one
 * takes.
 *
 * @param {string} report
 */
export function resourcesIn(report) {
  const spills = [];
  const frames = [];
  const architectures = new Set();
  let kernel = '';
  for (const line of report.split('\n')) {
    const entry = /Compiling entry function '(\S+)' for '(\S+)'/.exec(line);
    if (entry) {
      kernel = `${entry[1]} (${entry[2]})`;
      architectures.add(entry[2]);
    }
    const [, frame] = /(\d+) bytes stack frame/.exec(line) ?? [];
    if (Number(frame ?? 0) > 0) frames.push(kernel);
    const [, stores, loads] = /(\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line) ?? [];
    if (Number(stores ?? 0) + Number(loads ?? 0) > 0) spills.push(kernel);
  }
  const registers = [...report.matchAll(/Used (\d+) registers/g)].map(match => Number(match[1]));
  return {
    architectures: [...architectures].sort(),
    kernels: registers.length,
    spills,
    frames,
    registers: Math.max(...registers),
  };
}

/**
 * Compiles one file of kernels. -> what ptxas reports
 *
 * @param {string} nvcc
 * @param {string} source
 */
async function reportOf(nvcc, source) {
  const output = join(tmpdir(), `${basename(source)}-${process.pid}.o`);
  const [program = '', ...rest] = compileCommand(nvcc, source, output);
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let report = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', text => (report += text));
  const code = await new Promise(ended => child.on('close', ended));
  rmSync(output, { force: true });
  if (code !== 0) throw new Error(`cuda: nvcc failed on ${basename(source)}:\n${report.slice(-4000)}`);
  return report;
}

async function main() {
  const nvcc = findNvcc();
  if (!nvcc) throw new Error('cuda: there is no nvcc; install a CUDA toolkit, or set CUDA_HOME to one');
  const reports = await Promise.all(kernelSources().map(source => reportOf(nvcc.path, source)));
  console.log(JSON.stringify({ nvcc, ...resourcesIn(reports.join('\n')) }));
}

const [, started = ''] = process.argv;
if (existsSync(started) && fileURLToPath(import.meta.url) === realpathSync(started))
  await main().catch(error => {
    process.exitCode = 1;
    console.error(error.message);
  });
