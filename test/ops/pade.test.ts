import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import test, { type ExecutionContext } from 'ava';
import { type Rational, rationalValue } from '../../src/activations/rational.js';
import { engine, pade } from '../../src/index.js';
import { uniform } from '../../src/random.js';
import { within } from '../support/closeness.js';
import { hasTorch, torchTest } from '../support/engine.js';
import { fixture } from '../support/fixture.js';

interface Points {
  readonly x: number[];
  readonly dy: number[];
  readonly y: number[];
  readonly dx: number[];
  readonly da: number[];
  readonly db: number[];
}

interface Case extends Rational {
  readonly order: [number, number];
  readonly near: Points;
  readonly far: Points;
}

const { cases } = fixture<{ cases: Case[] }>('pade');

/** The native kernel, and the composition on an engine that has none. */
const ENGINES = [
  { name: 'torch', on: torchTest },
  { name: 'cpu', on: test.serial },
  { name: 'wasm', on: test.serial },
] as const;

test.after.always(async () => {
  if (hasTorch) await engine.use('torch');
});

/** The paper's: LeakyReLU under Eq. 2. */
const LRELU: Rational = {
  numerator: [0.033582615, 0.505000094, 1.65131516, 2.00451688, 0.927935914, 0.151537372],
  denominator: [9.16046984e-7, 3.96933909, 6.65119637e-7, 0.300073894],
  form: 'absolute-sum',
  q: 1,
};

function single(rational: Rational): Rational {
  return {
    ...rational,
    numerator: rational.numerator.map(Math.fround),
    denominator: rational.denominator.map(Math.fround),
  };
}

/** y, dx, da and db in the running engine, as plain numbers. */
function calculate(
  { numerator, denominator, form, q }: Rational,
  x: tf.TensorLike,
  dy: tf.TensorLike,
  shape?: number[],
) {
  const tensors = tf.tidy(() => {
    const inputs = [
      tf.tensor(x, shape, 'float32'),
      tf.tensor1d([...numerator]),
      tf.tensor1d([...denominator]),
    ];
    const [input, a, b] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor];
    const y = pade(input, a, b, { form, q });
    const gradients = tf.grads((...given) => pade(given[0]!, given[1]!, given[2]!, { form, q }))(
      inputs,
      tf.tensor(dy, shape, 'float32'),
    );
    return [y, ...gradients];
  });
  // Behind the tidy, which would walk through every number of a returned array.
  const [y, dx, da, db] = tensors.map(tensor => tensor.dataSync() as Float32Array);
  tf.dispose(tensors);
  return { y: y!, dx: dx!, da: da!, db: db!, shape: tensors[0]!.shape };
}

/**
 * What rounding errors of one unit in every term would add up to: the sizes of the terms, not of their sum, which may
 * cancel.
 */
function scales({ numerator, denominator, form, q }: Rational, x: number) {
  const u = Math.abs(x);
  const size = (coefficients: readonly number[], from: number) =>
    coefficients.reduce((sum, c, i) => sum + Math.abs(c) * u ** (from + i), 0);
  const slopeSize = (coefficients: readonly number[], from: number) =>
    coefficients.reduce((sum, c, i) => sum + (from + i && (from + i) * Math.abs(c) * u ** (from + i - 1)), 0);
  const sum = denominator.reduce((s, b, k) => s + b * x ** (k + 1), 0);
  const bound = form === 'unsafe' ? 1 : q;
  const termsOfQ = bound + size(denominator, 1);
  const denominatorValue =
    form === 'absolute-sum' ? bound + Math.abs(sum) : form === 'unsafe' ? Math.abs(1 + sum) : termsOfQ;
  const amplified = (value: number) => (value / denominatorValue) * (termsOfQ / denominatorValue);
  const y = amplified(size(numerator, 0));
  return {
    y,
    dx: amplified(slopeSize(numerator, 0) + y * slopeSize(denominator, 1)),
    da: numerator.map((_, i) => amplified(u ** i)),
    db: denominator.map((_, k) => y * amplified(u ** (k + 1))),
  };
}

/** Sums over all elements of |dy| times the scale of each coefficient's gradient. */
function summedScales(rational: Rational, x: ArrayLike<number>, dy: ArrayLike<number>) {
  const da = rational.numerator.map(() => 0);
  const db = rational.denominator.map(() => 0);
  for (let i = 0; i < x.length; i++) {
    const each = scales(rational, x[i]!);
    each.da.forEach((value, k) => {
      da[k]! += Math.abs(dy[i]!) * value;
    });
    each.db.forEach((value, k) => {
      db[k]! += Math.abs(dy[i]!) * value;
    });
  }
  return { da, db };
}

/** The float64 reference over many elements. */
function reference(rational: Rational, x: ArrayLike<number>, dy: ArrayLike<number>) {
  const y = new Float64Array(x.length);
  const dx = new Float64Array(x.length);
  const da = rational.numerator.map(() => 0);
  const db = rational.denominator.map(() => 0);
  for (let i = 0; i < x.length; i++) {
    const value = rationalValue(rational, x[i]!);
    y[i] = value.y;
    dx[i] = dy[i]! * value.slope;
    value.byNumerator.forEach((slope, k) => {
      da[k]! += dy[i]! * slope;
    });
    value.byDenominator.forEach((slope, k) => {
      db[k]! += dy[i]! * slope;
    });
  }
  return { y, dx, da, db };
}

type Results = Record<'y' | 'dx' | 'da' | 'db', ArrayLike<number>>;

function compare(
  t: ExecutionContext,
  rational: Rational,
  { x, dy }: { x: ArrayLike<number>; dy: ArrayLike<number> },
  actual: Results,
  expected: Results,
  tolerance: number,
): void {
  const each = Array.from(x, value => scales(rational, value));
  const sums = summedScales(rational, x, dy);
  const yScale = each.map(({ y }) => y);
  const dxScale = each.map((scale, i) => Math.abs(dy[i]!) * scale.dx);
  within(t, 'y', actual.y, expected.y, { tolerance, scale: yScale });
  within(t, 'dx', actual.dx, expected.dx, { tolerance, scale: dxScale });
  within(t, 'da', actual.da, expected.da, { tolerance, scale: sums.da });
  within(t, 'db', actual.db, expected.db, { tolerance, scale: sums.db });
}

const nameOf = ({ order, form, q }: Case) => `[${order.join('/')}] ${form}, q = ${q}`;

for (const rational of cases) {
  test(`the float64 reference is PyTorch's autograd of the plain formula: ${nameOf(rational)}`, t => {
    for (const points of [rational.near, rational.far]) {
      // Fixtures have ten digits.
      compare(t, rational, points, reference(rational, points.x, points.dy), points, 1e-9);
    }
  });

  for (const { name, on } of ENGINES) {
    on(
      `${name}: values and gradients are PyTorch's in float64, at 0, ±1e-30 and up to ±1e30: ${nameOf(rational)}`,
      async t => {
        await tf.setBackend(name);
        for (const points of [rational.near, rational.far]) {
          compare(t, rational, points, calculate(rational, points.x, points.dy), points, 1e-5);
        }
      },
    );
  }
}

for (const { name, on } of ENGINES) {
  for (const size of [1, 15, 16, 17, 2047, 2049, 100_003]) {
    on(`${name}: ${size} elements are each the reference's`, async t => {
      await tf.setBackend(name);
      const rational = single(LRELU);
      const x = uniform(new Float32Array(size), { low: -5, high: 5 }, 3, 'x', size);
      const dy = uniform(new Float32Array(size), { low: -1, high: 1 }, 3, 'dy', size);
      compare(t, rational, { x, dy }, calculate(rational, x, dy), reference(rational, x, dy), 1e-5);
    });
  }

  on(`${name}: the slope holds at |x| = 1e5, where P/Q² would overflow`, async t => {
    await tf.setBackend(name);
    const { dx } = calculate(LRELU, [1e5, -1e5], [1, 1]);
    // a5/b4, the slope at infinity
    const slope = LRELU.numerator[5]! / LRELU.denominator[3]!;
    within(t, 'dx', dx, [slope, slope], { tolerance: 1e-4, scale: slope });
  });

  on(`${name}: the derivative of |v| at v = 0 is 0`, async t => {
    await tf.setBackend(name);
    // Q = 1 + |x|: on both sides of 0 its slope is ±1; y = 1 at 0.
    for (const form of ['absolute-sum', 'sum-of-absolutes'] as const) {
      const { dx, db } = calculate({ numerator: [1, 0], denominator: [1], form, q: 1 }, [0, -0], [1, 1]);
      t.deepEqual(
        [...dx].map(v => v + 0),
        [0, 0],
        form,
      );
      t.deepEqual([db[0]! + 0], [0], form);
    }
    // A coefficient at 0 under its absolute value does not move either.
    const { db } = calculate(
      { numerator: [1, 1], denominator: [0, 1], form: 'sum-of-absolutes', q: 1 },
      [2],
      [1],
    );
    t.is(db[0]! + 0, 0);
    t.not(db[1], 0);
  });

  on(
    `${name}: at ±Infinity the value of a safe form is its limit, and the slope is 0 where the limit is finite`,
    async t => {
      await tf.setBackend(name);
      const at = (numerator: number[], denominator: number[]) =>
        calculate({ numerator, denominator, form: 'absolute-sum', q: 1 }, [Infinity, -Infinity], [1, 1]);
      const same = at([1, 2, 3], [1, 2]);
      t.deepEqual([...same.y], [1.5, 1.5]);
      t.deepEqual(
        [...same.dx].map(v => v + 0),
        [0, 0],
      );
      const lower = at([1, 2], [1, 2]);
      t.deepEqual(
        [...lower.y].map(v => v + 0),
        [0, 0],
      );
      t.deepEqual(
        [...lower.dx].map(v => v + 0),
        [0, 0],
      );
      t.deepEqual([...at([0, 1, 3], [2]).y], [Infinity, Infinity]);
    },
  );

  on(`${name}: a NaN stays a NaN and its neighbours are not touched`, async t => {
    await tf.setBackend(name);
    const { y, dx } = calculate(LRELU, [1, NaN, 2], [1, 1, 1]);
    const alone = calculate(LRELU, [1, 2], [1, 1]);
    t.true(Number.isNaN(y[1]));
    t.true(Number.isNaN(dx[1]));
    t.deepEqual([y[0], y[2], dx[0], dx[2]], [...alone.y, ...alone.dx]);
  });

  on(`${name}: an empty tensor and a scalar are shapes like any other`, async t => {
    await tf.setBackend(name);
    const empty = calculate(LRELU, [], [], [0, 3]);
    t.deepEqual(empty.shape, [0, 3]);
    t.is(empty.dx.length, 0);
    t.deepEqual([...empty.da, ...empty.db], new Array(10).fill(0));
    const scalar = calculate(LRELU, 0.5, 2, []);
    t.deepEqual(scalar.shape, []);
    const value = rationalValue(LRELU, 0.5);
    within(t, 'y', scalar.y, [value.y], { tolerance: 1e-6, scale: value.y });
    within(t, 'dx', scalar.dx, [2 * value.slope], { tolerance: 1e-6, scale: 1 });
  });

  on(`${name}: without a denominator it is the polynomial over q`, async t => {
    await tf.setBackend(name);
    const { y, dx, db } = calculate(
      { numerator: [1, 2, 3], denominator: [], form: 'absolute-sum', q: 0.5 },
      [-1, 0, 2],
      [1, 1, 1],
    );
    within(t, 'y', y, [4, 2, 34], { tolerance: 1e-6, scale: 1 });
    within(t, 'dx', dx, [-8, 4, 28], { tolerance: 1e-6, scale: 1 });
    t.is(db.length, 0);
  });

  on(`${name}: a transposed x gives what its copy gives, values and gradients`, async t => {
    await tf.setBackend(name);
    const [a, b] = [tf.tensor1d([...LRELU.numerator]), tf.tensor1d([...LRELU.denominator])];
    const x = tf.tensor(uniform(new Float32Array(2 * 5 * 7 * 3), { low: -4, high: 4 }, 5, 'x'), [2, 5, 7, 3]);
    const weight = tf.tensor(
      uniform(new Float32Array(2 * 5 * 7 * 3), { low: -1, high: 1 }, 5, 'w'),
      [3, 7, 2, 5],
    );
    const copy = (tensor: tf.Tensor) => tf.tensor(tensor.dataSync(), tensor.shape);
    const turned = tf.transpose(x, [3, 2, 0, 1]);
    const loss = (input: tf.Tensor): tf.Scalar => tf.sum(tf.mul(pade(input, a, b), weight));
    const through = tf.grad((input: tf.Tensor) => loss(tf.transpose(input, [3, 2, 0, 1])))(x);
    const plain = tf.transpose(tf.grad(loss)(copy(turned)), [2, 3, 1, 0]);
    t.deepEqual(pade(turned, a, b).dataSync(), pade(copy(turned), a, b).dataSync());
    t.deepEqual(through.dataSync(), plain.dataSync());
    t.deepEqual(through.shape, x.shape);
  });

  on(`${name}: whole numbers and plain arrays are taken as float32`, async t => {
    await tf.setBackend(name);
    const y = pade(
      tf.tensor([1, 2], [2], 'int32') as tf.Tensor,
      [...LRELU.numerator],
      [...LRELU.denominator],
    );
    t.is(y.dtype, 'float32');
    t.deepEqual(y.dataSync(), pade([1, 2], [...LRELU.numerator], [...LRELU.denominator]).dataSync());
  });

  on(`${name}: nothing is left but the results`, async t => {
    await tf.setBackend(name);
    const inputs = [tf.tensor([1, -2, 3]), tf.tensor1d([0, 1, 2]), tf.tensor1d([1, 1])];
    const before = tf.memory().numTensors;
    const y = pade(inputs[0]!, inputs[1]!, inputs[2]!);
    t.is(tf.memory().numTensors, before + 1);
    y.dispose();
    tf.dispose(tf.grads((...given) => pade(given[0]!, given[1]!, given[2]!))(inputs));
    t.is(tf.memory().numTensors, before);
    tf.dispose(inputs);
  });
}

const MANY = 2 ** 24;

/** Multiples of an irrational number, modulo 1: evenly spread, and quicker than random draws. */
function spread(count: number, { low, high }: { low: number; high: number }, step: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = low + (high - low) * ((i * step) % 1);
  return values;
}

/** Coefficient gradients by Horner's rule in float64, and the sums of their terms' magnitudes. */
function coefficientGradients({ numerator, denominator, q }: Rational, x: Float32Array, dy: Float32Array) {
  const zeros = () => ({ da: new Float64Array(numerator.length), db: new Float64Array(denominator.length) });
  const [sums, sizes] = [zeros(), zeros()];
  for (let i = 0; i < x.length; i++) {
    const v = x[i]!;
    let p = 0;
    for (let k = numerator.length - 1; k >= 0; k--) p = p * v + numerator[k]!;
    let s = 0;
    for (let k = denominator.length - 1; k >= 0; k--) s = (s + denominator[k]!) * v;
    const bound = q + Math.abs(s);
    let term = dy[i]! / bound;
    let other = (-term * p * Math.sign(s)) / bound;
    for (let k = 0; k < numerator.length; k++) {
      sums.da[k]! += term;
      sizes.da[k]! += Math.abs(term);
      term *= v;
    }
    for (let k = 0; k < denominator.length; k++) {
      other *= v;
      sums.db[k]! += other;
      sizes.db[k]! += Math.abs(other);
    }
  }
  return { sums, sizes };
}

torchTest(
  'coefficient gradients over 2^24 elements are float64 sums, bit for bit the same on 1 and 2 threads',
  async t => {
    const rational = single(LRELU);
    const x = spread(MANY, { low: -4, high: 4 }, (Math.sqrt(5) - 1) / 2);
    const dy = spread(MANY, { low: -0.9, high: 1.1 }, Math.SQRT2 - 1);
    const { sums, sizes } = coefficientGradients(rational, x, dy);
    const results = [];
    for (const threads of [1, 2]) {
      await engine.use('torch', { threads });
      results.push(calculate(rational, x, dy));
    }
    const [one, two] = results;
    t.deepEqual(one!.da, two!.da);
    t.deepEqual(one!.db, two!.db);
    t.deepEqual(Buffer.from(one!.dx.buffer).compare(Buffer.from(two!.dx.buffer)), 0);
    within(t, 'da', one!.da, sums.da, { tolerance: 1e-6, scale: sizes.da });
    within(t, 'db', one!.db, sums.db, { tolerance: 1e-6, scale: sizes.db });
  },
);
