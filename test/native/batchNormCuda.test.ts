/** The CUDA kernels of batch normalisation without a GPU: run on the CPU against float64. */
import test from 'ava';
import { hasOnHost, runOnHost } from './onHost.js';

interface CaseErrors {
  readonly name: string;
  readonly type: 'float32' | 'bfloat16' | 'float16';
  readonly statistics: number;
  readonly values: number;
  readonly gradients: number;
  readonly sums: number;
  readonly coefficients: number;
  readonly unwritten: number;
  readonly different: number;
}

/** Relative to the size of what is added: float32 rounding through two dozen operations; ties in half precision. */
const ELEMENTS = { float32: 2e-6, bfloat16: 2 ** -7, float16: 2 ** -10 };
/** Of what is summed: the gradients by z, rounded to the type of x before; in half precision one may fall to the other side. */
const SUMS = { float32: 1e-6, bfloat16: 1e-4, float16: 1e-4 };

(hasOnHost ? test : test.skip)(
  'on the CPU batch normalisation, alone and with Padé behind it, gives what float64 gives, and writes that alone',
  async t => {
    t.timeout(300_000);
    const cases = await runOnHost<CaseErrors>(t, 'batch_norm_cuda', 'batchNormOnHost', {
      launches: 6,
      shared: 6,
    });
    t.is(cases.length, 143);
    for (const each of cases) {
      const name = `${each.name}, ${each.type}: ${JSON.stringify(each)}`;
      t.true(each.statistics <= 1e-6, name);
      t.true(Math.max(each.values, each.gradients) <= ELEMENTS[each.type], name);
      t.true(each.sums <= SUMS[each.type], name);
      t.true(each.coefficients <= 1e-6, name);
      t.is(each.unwritten, 0, name);
      t.is(each.different, 0, name);
    }
  },
);
