/** The CUDA kernels without a GPU: run on the CPU against float64, and what nvcc says of their registers. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { hasOnHost, runOnHost, works } from './onHost.js';

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

(hasOnHost ? test : test.skip)(
  'on the CPU the kernels give what float64 gives, write every element and nothing else',
  async t => {
    t.timeout(300_000);
    const cases = await runOnHost<CaseErrors>(t, 'pade_cuda', 'padeOnHost', { launches: 5, shared: 4 });
    t.is(cases.length, 138);
    for (const each of cases) {
      const name = `${each.name}, ${each.type}: ${JSON.stringify(each)}`;
      t.true(each.values <= OUTPUTS[each.type], name);
      t.true(each.gradients <= OUTPUTS[each.type], name);
      t.true(Math.max(each.numerator, each.denominator) <= SUMS, name);
      t.is(each.unwritten, 0, name);
      t.is(each.different, 0, name);
    }
  },
);

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
