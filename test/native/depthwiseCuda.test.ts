/** The CUDA kernels of depthwise convolutions without a GPU: run on the CPU against float64. */
import test from 'ava';
import { hasOnHost, runOnHost } from './onHost.js';

interface CaseErrors {
  readonly name: string;
  readonly type: 'float32' | 'bfloat16';
  readonly values: number;
  readonly input: number;
  readonly filter: number;
  readonly unwritten: number;
  readonly different: number;
}

/** Of the sum of magnitudes: float32 rounding through nine products; ties in half precision. */
const ELEMENTS = { float32: 5e-7, bfloat16: 2 ** -7 };

(hasOnHost ? test : test.skip)(
  'on the CPU depthwise convolutions and their gradients give what float64 gives, and write that alone',
  async t => {
    t.timeout(300_000);
    const cases = await runOnHost<CaseErrors>(t, 'depthwise_cuda', 'depthwiseOnHost', {
      launches: 3,
      shared: 2,
    });
    t.is(cases.length, 60);
    for (const each of cases) {
      const name = `${each.name}, ${each.type}: ${JSON.stringify(each)}`;
      t.true(Math.max(each.values, each.input) <= ELEMENTS[each.type], name);
      t.true(each.filter <= 1e-6, name);
      t.is(each.unwritten, 0, name);
      t.is(each.different, 0, name);
    }
  },
);
