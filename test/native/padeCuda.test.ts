/** The CUDA kernels without a GPU: run on the CPU against float64, and what nvcc says of their registers. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';

interface CaseErrors {
  readonly name: string;
  readonly type: 'float32' | 'bfloat16' | 'float16';
  readonly values: number;
  readonly gradients: number;
  readonly numerator: number;
  readonly denominator: number;
  readonly unwritten: number;
  readonly different: number;
}

/** Relative to the size of the terms that are added: float32 rounding through a dozen operations; a tie that falls to the other side in half precision. */
const OUTPUTS = { float32: 1e-6, bfloat16: 2 ** -7, float16: 2 ** -10 };
/** Of the coefficients' gradients, relative to the sum of the terms' sizes. */
const SUMS = 1e-6;

function works(command: string): boolean {
  return spawnSync(command, ['--version']).status === 0;
}

/** CUDA's launches and shared memory as C++ (test/native/onHost/cuda_runtime.h). */
function onHostOnly(source: string): string {
  return source
    .replace(/(\w+(?:<[\w, ]+>)?)<<<(.+?)>>>\(/g, 'onHost::launch($2)($1)(')
    .replace(/__shared__ \w+ (\w+)[^;]*;/g, '$& onHost::begin($1);');
}

const onHost = process.platform === 'linux' && works('g++') ? test : test.skip; // its fibers are glibc's
onHost('on the CPU the kernels give what float64 gives, write every element and nothing else', t => {
  t.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), 'padezoo-cuda-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const kernels = join(folder, 'pade_cuda.cpp');
  const source = onHostOnly(readFileSync('native/pade_cuda.cu', 'utf8'));
  t.is(source.split('onHost::launch').length - 1, 5);
  t.is(source.split('onHost::begin').length - 1, 4);
  writeFileSync(kernels, source);
  const program = join(folder, 'padeOnHost');
  const built = spawnSync(
    'g++',
    [
      ...['-std=c++17', '-O1', '-Wall', '-Werror', '-Wno-unknown-pragmas'],
      '-U_FORTIFY_SOURCE', // which takes a jump from stack to stack for an attack
      ...['-I', 'native', '-I', 'test/native/onHost'],
      ...['test/native/padeOnHost.cpp', kernels, '-o', program],
    ],
    { encoding: 'utf8' },
  );
  t.is(built.status, 0, built.stderr);
  const { stdout, stderr, status } = spawnSync(program, { encoding: 'utf8' });
  t.is(status, 0, stderr);
  const cases = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as CaseErrors);
  t.is(cases.length, 138);
  for (const each of cases) {
    const name = `${each.name}, ${each.type}: ${JSON.stringify(each)}`;
    t.true(each.values <= OUTPUTS[each.type], name);
    t.true(each.gradients <= OUTPUTS[each.type], name);
    t.true(Math.max(each.numerator, each.denominator) <= SUMS, name);
    t.is(each.unwritten, 0, name);
    t.is(each.different, 0, name);
  }
});

const withNvcc = works('nvcc') ? test : test.skip;
withNvcc(
  'nvcc names its folders, compiles the kernels for sm_80, sm_90 and sm_100, and none has local memory',
  t => {
    t.timeout(600_000);
    const { stdout, stderr, status } = spawnSync('node', ['scripts/cuda.mjs'], { encoding: 'utf8' });
    t.is(status, 0, stderr);
    const { nvcc, architectures, kernels, spills, frames } = JSON.parse(stdout);
    const has = (folders: string[], name: string) => folders.some(folder => existsSync(join(folder, name)));
    t.true(has(['/usr/include', ...nvcc.include], 'cuda_runtime_api.h'), `${nvcc.include}`);
    t.true(has(['/usr/lib/x86_64-linux-gnu', ...nvcc.lib], 'libcudart_static.a'), `${nvcc.lib}`);
    t.deepEqual(architectures, ['sm_100', 'sm_80', 'sm_90']);
    t.true(kernels > 100, `${kernels} kernels`);
    t.deepEqual(spills, []);
    t.deepEqual(frames, []);
  },
);
