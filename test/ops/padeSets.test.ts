import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import { uniformNoise } from '../../src/activations/noise.js';
import { type Rational, rationalValue } from '../../src/activations/rational.js';
import { scalarType } from '../../src/engines/torch/aten.js';
import type { TorchBackend } from '../../src/engines/torch/backend.js';
import { engine, pade, type RationalForm } from '../../src/index.js';
import { uniform } from '../../src/random.js';
import { within } from '../support/closeness.js';
import { hasTorch, torchTest } from '../support/engine.js';
import { fixture } from '../support/fixture.js';

interface Case {
  readonly form: RationalForm;
  readonly q: number;
  readonly groups: number;
  readonly order: [number, number];
  readonly shape: [number, number];
  readonly numerator: number[];
  readonly denominator: number[];
  readonly x: number[];
  readonly dy: number[];
  readonly y: number[];
  readonly dx: number[];
  readonly da: number[];
  readonly db: number[];
}

const { cases } = fixture<{ cases: Case[] }>('pade-sets');
const ENGINES = [
  { name: 'torch', on: torchTest },
  { name: 'cpu', on: test.serial },
  { name: 'wasm', on: test.serial },
] as const;

test.after.always(async () => {
  if (hasTorch) await engine.use('torch');
});

const shapes = ({ groups }: Case) => (groups === 1 ? [-1] : [groups, -1]);
const largest = (values: number[]) => Math.max(...values.map(Math.abs));

for (const each of cases) {
  for (const { name, on } of ENGINES) {
    on(
      `${name}: ${each.groups} sets of ${each.form} over ${each.shape[1]} channels are PyTorch's in float64`,
      async t => {
        await tf.setBackend(name);
        const inputs = [
          tf.tensor2d(each.x, each.shape),
          tf.reshape(tf.tensor1d(each.numerator), shapes(each)),
          tf.reshape(tf.tensor1d(each.denominator), shapes(each)),
        ];
        const { form, q } = each;
        const y = pade(inputs[0]!, inputs[1]!, inputs[2]!, { form, q });
        const dy = tf.tensor2d(each.dy, each.shape);
        const gradients = tf.grads((...g) => pade(g[0]!, g[1]!, g[2]!, { form, q }))(inputs, dy);
        const results = { y, dx: gradients[0]!, da: gradients[1]!, db: gradients[2]! };
        t.deepEqual(results.da.shape, inputs[1]!.shape);
        t.deepEqual(results.db.shape, inputs[2]!.shape);
        for (const [key, tensor] of Object.entries(results)) {
          const expected = each[key as 'y'];
          within(t, key, tensor.dataSync() as Float32Array, expected, {
            tolerance: 1e-5,
            scale: largest(expected),
          });
        }
      },
    );
  }
}

const LRELU: Rational = {
  numerator: [0.033582615, 0.505000094, 1.65131516, 2.00451688, 0.927935914, 0.151537372],
  denominator: [0.02, 3.96933909, 0.01, 0.300073894],
  form: 'absolute-sum',
  q: 1,
};

torchTest('a set for each of 200 channels over many rows gives what one call for each channel gives', t => {
  const [rows, channels] = [700, 200];
  const x = tf.randomUniform([rows, channels], -4, 4, 'float32', 1);
  const a = tf.randomUniform([channels, 6], -1, 1, 'float32', 2);
  const b = tf.randomUniform([channels, 4], 0.1, 1, 'float32', 3);
  const dy = tf.randomUniform([rows, channels], -1, 1, 'float32', 4);
  const all = tf.grads((g, h, i) => pade(g!, h!, i!, { form: 'sum-of-absolutes' }))([x, a, b], dy);
  const column = (tensor: tf.Tensor, c: number) => tf.slice(tensor, [0, c], [-1, 1]);
  const row = (tensor: tf.Tensor, c: number) => tf.reshape(tf.slice(tensor, [c, 0], [1, -1]), [-1]);
  for (const c of [0, 1, 15, 16, 99, 199]) {
    const one = tf.grads((g, h, i) => pade(g!, h!, i!, { form: 'sum-of-absolutes' }))(
      [column(x, c), row(a, c), row(b, c)],
      column(dy, c),
    );
    const found = [column(all[0]!, c), row(all[1]!, c), row(all[2]!, c)];
    found.forEach((tensor, i) => {
      within(t, `${c}/${i}`, tensor.dataSync() as Float32Array, one[i]!.dataSync() as Float32Array, {
        tolerance: 1e-5,
        scale: largest([...one[i]!.dataSync()]),
      });
    });
  }
});

for (const form of ['absolute-sum', 'absolute-polynomial', 'sum-of-absolutes', 'unsafe'] as const) {
  for (const { name, on } of ENGINES) {
    on(
      `${name}: noise in form ${form} is the reference's, element by element, and its gradient has it too`,
      async t => {
        await tf.setBackend(name);
        const x = uniform(new Float32Array(2100), { low: -3, high: 3 }, 1, 'x');
        x[7] = 1e30; // computed in float64
        const dy = uniform(new Float32Array(x.length), { low: -1, high: 1 }, 1, 'dy');
        const words = [123456789, 7] as const;
        const key = tf.tensor1d([...words], 'int32');
        const denominator = form === 'absolute-polynomial' ? [0.3, ...LRELU.denominator] : LRELU.denominator;
        const options = { form, noise: { amplitude: 0.2, key } };
        const inputs = [tf.tensor1d(x), tf.tensor1d([...LRELU.numerator]), tf.tensor1d([...denominator])];
        const y = pade(inputs[0]!, inputs[1]!, inputs[2]!, options).dataSync() as Float32Array;
        const [dx, da, db] = tf
          .grads((...g) => pade(g[0]!, g[1]!, g[2]!, options))(inputs, tf.tensor1d(dy))
          .map(tensor => tensor.dataSync() as Float32Array);

        const m = LRELU.numerator.length;
        const factors = [...LRELU.numerator, ...denominator].map((_, draw) =>
          uniformNoise(words, draw, x.length).map(u => 1 + 0.2 * u),
        );
        const expected = {
          y: [] as number[],
          dx: [] as number[],
          da: new Array(m).fill(0),
          db: denominator.map(() => 0),
        };
        const sizes = { da: new Array(m).fill(0), db: denominator.map(() => 0) };
        x.forEach((v, e) => {
          const value = rationalValue(
            {
              form,
              q: 1,
              numerator: LRELU.numerator.map((c, i) => Math.fround(c) * factors[i]![e]!),
              denominator: denominator.map((c, k) => Math.fround(c) * factors[m + k]![e]!),
            },
            v,
          );
          expected.y.push(value.y);
          expected.dx.push(dy[e]! * value.slope);
          value.byNumerator.forEach((d, i) => {
            expected.da[i] += dy[e]! * d * factors[i]![e]!;
            sizes.da[i] += Math.abs(dy[e]! * d);
          });
          value.byDenominator.forEach((d, k) => {
            expected.db[k]! += dy[e]! * d * factors[m + k]![e]!;
            sizes.db[k]! += Math.abs(dy[e]! * d);
          });
        });
        within(t, 'y', y, expected.y, { tolerance: 2e-5, scale: expected.y.map(v => Math.abs(v) + 0.1) });
        within(t, 'dx', dx!, expected.dx, {
          tolerance: 5e-5,
          scale: expected.dx.map(v => Math.abs(v) + 0.1),
        });
        within(t, 'da', da!, expected.da, { tolerance: 1e-5, scale: sizes.da });
        within(t, 'db', db!, expected.db, { tolerance: 1e-5, scale: sizes.db });
      },
    );
  }
}

torchTest('noise is bit for bit the same on 1 and 2 threads, and another with another key', async t => {
  const x = tf.randomUniform([300_000], -3, 3, 'float32', 1);
  const run = (step: number) =>
    pade(x, [...LRELU.numerator], [...LRELU.denominator], {
      noise: { amplitude: 0.1, key: tf.tensor1d([1, step], 'int32') },
    }).dataSync();
  await engine.use('torch', { threads: 1 });
  const one = run(1);
  await engine.use('torch', { threads: 2 });
  t.deepEqual(run(1), one);
  t.notDeepEqual(run(2), one);
});

test('draws are uniform on (-1, 1) and independent: elements, coefficients, steps and layers', t => {
  const count = 2 ** 16;
  const base = uniformNoise([5, 0], 0, count);
  t.true(base.every(u => Math.abs(u) < 1));
  const mean = (v: Float32Array) => v.reduce((sum, u) => sum + u, 0) / v.length;
  const variance = (v: Float32Array) => v.reduce((sum, u) => sum + u * u, 0) / v.length;
  t.true(Math.abs(mean(base)) < 4 / Math.sqrt(3 * count));
  t.true(Math.abs(variance(base) - 1 / 3) < 4 * Math.sqrt((1 / 5 - 1 / 9) / count));
  const bins = new Array<number>(64).fill(0);
  for (const u of base) bins[Math.floor(((u + 1) / 2) * 64)]!++;
  const chi = bins.reduce((sum, n) => sum + (n - count / 64) ** 2 / (count / 64), 0);
  t.true(chi < 63 + 4 * Math.sqrt(2 * 63), `chi² of 63 degrees: ${chi}`);
  const others: [string, Float32Array, Float32Array][] = [
    ['the pair in a hash', base, uniformNoise([5, 0], 1, count)],
    ['another coefficient', base, uniformNoise([5, 0], 2, count)],
    ['the next step', base, uniformNoise([5, 1], 0, count)],
    ['another layer', base, uniformNoise([6, 0], 0, count)],
    ...[1, 2, 16, 2048].map((lag): [string, Float32Array, Float32Array] => [
      `elements ${lag} apart`,
      base.subarray(lag),
      base.subarray(0, count - lag),
    ]),
  ];
  for (const [what, a, b] of others) {
    const r = (3 * a.reduce((sum, u, i) => sum + u * b[i]!, 0)) / a.length;
    t.true(Math.abs(r) < 4 / Math.sqrt(a.length), `${what}: correlation ${r}`);
  }
});

test('the draws of one element are independent of each other, and of those of its neighbours', t => {
  const count = 2 ** 14;
  const bins = 16;
  /** How many standard deviations from what independent draws give: of the correlation, and of chi² in two dimensions. */
  const distance = (a: Float32Array, b: Float32Array) => {
    let sum = 0;
    const cells = new Array<number>(bins * bins).fill(0);
    for (let i = 0; i < a.length; i++) {
      sum += a[i]! * b[i]!;
      cells[Math.floor((a[i]! + 1) * (bins / 2)) * bins + Math.floor((b[i]! + 1) * (bins / 2))]!++;
    }
    const expected = a.length / cells.length;
    const chi = cells.reduce((total, n) => total + (n - expected) ** 2 / expected, 0);
    const freedom = cells.length - 1;
    return [(3 * sum) / Math.sqrt(a.length), (chi - freedom) / Math.sqrt(2 * freedom)];
  };
  for (const key of [
    [5, 0],
    [-1156997933, 77],
  ] as const) {
    const draws = Array.from({ length: 22 }, (_, draw) => uniformNoise(key, draw, count));
    draws.forEach((a, i) => {
      for (const b of draws.slice(0, i))
        for (const z of distance(a, b)) t.true(Math.abs(z) < 5, `${key}: draw ${i} and another: ${z}`);
      for (const lag of [1, 2, 3, 4, 16, 64, 128])
        for (const z of distance(a.subarray(lag), a.subarray(0, count - lag)))
          t.true(Math.abs(z) < 5, `${key}: draw ${i}, ${lag} elements apart: ${z}`);
    });
  }
});

const bfloat16 = (v: number) => {
  const words = new Uint32Array(Float32Array.of(v).buffer);
  words[0] = ((words[0]! + 0x7fff + ((words[0]! >>> 16) & 1)) & 0xffff0000) >>> 0;
  return new Float32Array(words.buffer)[0]!;
};

for (const form of ['absolute-sum', 'absolute-polynomial', 'sum-of-absolutes', 'unsafe'] as const) {
  torchTest(
    `bfloat16 in form ${form}: float32 arithmetic, rounded once; coefficient gradients float32`,
    t => {
      const count = 5003;
      const x = uniform(new Float32Array(count), { low: -4, high: 4 }, 1, 'x').map(bfloat16);
      x.set([0, -0, 1e30, -1e30, 1e-20], 0);
      const xs = x.map(bfloat16);
      const dy = uniform(new Float32Array(count), { low: -1, high: 1 }, 1, 'dy').map(bfloat16);
      const denominator = form === 'absolute-polynomial' ? [0.3, ...LRELU.denominator] : LRELU.denominator;
      const inputs = [
        tf.tensor1d(xs),
        tf.tensor1d([...LRELU.numerator]),
        tf.tensor1d([...denominator]),
      ] as const;
      const y = pade(inputs[0], inputs[1], inputs[2], { form }).dataSync() as Float32Array;
      const wide = tf.grads((...g) => pade(g[0]!, g[1]!, g[2]!, { form }))([...inputs], tf.tensor1d(dy));

      const torch = tf.engine().backend as TorchBackend;
      const read = (infos: readonly tf.TensorInfo[]) =>
        infos.map(info => tf.engine().makeTensorFromTensorInfo(info).dataSync() as Float32Array);
      const dtypes: string[] = [];
      const results = torch.run([], aten => {
        const narrow = (tensor: tf.Tensor) =>
          aten('to.dtype', torch.tensorOf(tensor), scalarType('bfloat16'));
        const [a, b] = [torch.tensorOf(inputs[1]), torch.tensorOf(inputs[2])];
        const given = narrow(inputs[0]);
        const forward = aten('pade::forward', given, a, b, form, 1);
        const backward = aten.tuple('pade::backward', narrow(tf.tensor1d(dy)), given, a, b, form, 1);
        const all = [forward, ...backward];
        dtypes.push(...all.map(({ dtype }) => dtype));
        return all;
      });
      const [y16, dx16, da, db] = read(results);
      t.deepEqual(dtypes, ['bfloat16', 'bfloat16', 'float32', 'float32']);
      t.deepEqual(y16, y.map(bfloat16));
      t.deepEqual(dx16, (wide[0]!.dataSync() as Float32Array).map(bfloat16));
      t.deepEqual(da, wide[1]!.dataSync() as Float32Array);
      t.deepEqual(db, wide[2]!.dataSync() as Float32Array);
    },
  );
}
