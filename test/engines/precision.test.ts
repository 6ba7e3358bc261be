import test from 'ava';
import { CompiledStep } from '../../src/engines/compiledStep.js';
import type { TorchBackend } from '../../src/engines/torch/index.js';
import { inFullPrecision } from '../../src/engines/torch/precision.js';
import { datasets, engine, tf, train, zoo } from '../../src/index.js';
import { torchTest } from '../support/engine.js';

/** Of the largest value: bfloat16 has 8 digits, and errors of a few layers add up. */
const TOLERANCE = 0.03;

const fp32 = () => engine.use('torch', { precision: 'fp32' });
const bf16 = () => engine.use('torch', { precision: 'bf16' });

test.before(() => engine.ready());
test.afterEach.always(async () => {
  if (engine.name === 'torch') await fp32();
});

const nativeDtype = (tensor: tf.Tensor) => (tf.backend() as TorchBackend).tensorOf(tensor).dtype;

function close(
  t: import('ava').ExecutionContext,
  what: string,
  values: tf.Tensor,
  expected: tf.Tensor,
): void {
  const [largest, error] = tf.tidy(() => [
    tf.max(tf.abs(expected)).dataSync()[0]!,
    tf.max(tf.abs(tf.sub(values, expected))).dataSync()[0]!,
  ]);
  t.true(error <= TOLERANCE * largest, `${what}: off by ${error} of ${largest}`);
}

const x = () => tf.randomNormal<tf.Rank.R4>([2, 9, 9, 8], 0, 1, 'float32', 1);
const OPERATORS: Record<string, (x: tf.Tensor4D) => tf.Tensor> = {
  convolution: x => tf.conv2d(x, tf.randomNormal<tf.Rank.R4>([3, 3, 8, 5], 0, 1, 'float32', 2), 1, 'same'),
  'strided convolution': x =>
    tf.conv2d(x, tf.randomNormal<tf.Rank.R4>([3, 3, 8, 5], 0, 1, 'float32', 2), 2, 'same'),
  'depthwise convolution': x =>
    tf.depthwiseConv2d(x, tf.randomNormal<tf.Rank.R4>([3, 3, 8, 1], 0, 1, 'float32', 2), 1, 'same'),
  'matrix product': x =>
    tf.matMul(tf.reshape(x, [-1, 8]), tf.randomNormal<tf.Rank.R2>([8, 6], 0, 1, 'float32', 2)),
};

for (const [name, operator] of Object.entries(OPERATORS)) {
  torchTest(
    `a ${name} in bf16 is stored in bfloat16, and near the one in float32, as are its gradients`,
    async t => {
      const run = () => {
        const input = x();
        const [dx] = tf.grads((x: tf.Tensor) => tf.sum(tf.square(operator(x as tf.Tensor4D))))([input]);
        return [operator(input), dx!] as const;
      };
      await fp32();
      const expected = run();
      await bf16();
      const values = run();
      t.is(nativeDtype(values[0]), 'bfloat16');
      t.is(values[0].dtype, 'float32');
      t.true(values[0].dataSync() instanceof Float32Array);
      t.is((await values[0].data()).length, values[0].size);
      await fp32();
      for (const [i, value] of values.entries()) close(t, i ? 'gradient' : 'value', value, expected[i]!);
    },
  );
}

for (const [name, activation] of [
  ['lenet', 'pau'],
  ['vgg8', 'rpau'],
  ['vgg8', 'prelu'],
  ['mobileNetV2', 'swish'],
  ['resnet18', 'srelu'],
] as const) {
  torchTest(`${name} with ${activation} has nearly the same logits in bf16`, async t => {
    const model = zoo.create(name, { activation, seed: 1 });
    const images = tf.randomNormal([4, ...(model.inputs[0]!.shape.slice(1) as number[])], 0, 1, 'float32', 3);
    await fp32();
    const expected = model.predict(images) as tf.Tensor;
    await bf16();
    const logits = model.predict(images) as tf.Tensor;
    t.is(nativeDtype(logits), 'bfloat16');
    await fp32();
    close(t, 'logits', logits, expected);
    model.dispose();
  });
}

torchTest(
  'works in full precision may overlap; what was chosen, or is meanwhile, holds behind the last',
  async t => {
    await bf16();
    const product = () => nativeDtype(tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])));
    const ends: (() => void)[] = [];
    const work = () =>
      inFullPrecision(async () => {
        t.is(product(), 'float32');
        await new Promise<void>(end => ends.push(end));
      });
    t.is(product(), 'bfloat16');
    const works = [work(), work()];
    ends[0]!();
    await works[0];
    t.is(product(), 'float32');
    t.regex(engine.describe(), /bf16$/);
    ends[1]!();
    await works[1];
    t.is(product(), 'bfloat16');
    await t.throwsAsync(
      inFullPrecision(() => Promise.reject(new Error('broken'))),
      { message: 'broken' },
    );
    t.is(product(), 'bfloat16');
    await inFullPrecision(fp32);
    t.is(product(), 'float32');
  },
);

torchTest('a compiled step takes inputs and variables of either dtype', async t => {
  await bf16();
  const ones = tf.ones<tf.Rank.R2>([2, 2]);
  const weight = tf.variable(ones);
  const step = new CompiledStep(([x]) => [tf.add(x!, weight)]);
  const run = (x: tf.Tensor) => step.run([x])[0]!.dataSync()[0];
  for (let i = 0; i < 4; i++) t.is(run(tf.matMul(ones, ones)), 3);
  t.is(run(ones), 2);
  weight.assign(tf.matMul(ones, ones));
  t.is(run(tf.matMul(ones, ones)), 4);
  t.is(nativeDtype(weight), 'float32');
  step.dispose();
  weight.dispose();
});

torchTest('what was calculated in bf16 goes on in fp32', async t => {
  await bf16();
  const ones = tf.ones<tf.Rank.R2>([2, 2]);
  const narrow = tf.matMul(ones, ones);
  await fp32();
  t.is(tf.matMul(narrow, ones).dataSync()[0], 4);
  t.is(nativeDtype(tf.relu(narrow)), 'float32');
});

torchTest("a random slope's gradient comes in any dtype", async t => {
  await bf16();
  const model = zoo.mobileNetV2({ activation: 'rrelu', seed: 1 });
  const images = tf.ones([2, ...(model.inputs[0]!.shape.slice(1) as number[])]);
  const { grads } = tf.variableGrads(() => tf.sum(model.apply(images, { training: true }) as tf.Tensor));
  for (const gradient of Object.values(grads)) t.true(gradient.dataSync().every(Number.isFinite));
  model.dispose();
});

torchTest('training in bf16 keeps weights and moments in float32, and learns as in float32', async t => {
  const losses: number[] = [];
  for (const use of [fp32, bf16]) {
    await use();
    const model = zoo.lenet({ activation: 'pau', seed: 2 });
    let seen = 0;
    const recipe = { data: datasets.fashionMnist(), epochs: 1, batchSize: 64 };
    for await (const event of train(model, recipe)) {
      if (event.type !== 'step') continue;
      if (++seen > 50) losses.push(event.loss);
      if (seen === 60) break;
    }
    for (const weight of model.getWeights()) t.is(nativeDtype(weight), 'float32');
    model.dispose();
  }
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [single, half] = [mean(losses.slice(0, 10)), mean(losses.slice(10))];
  t.true(Math.abs(single - half) < 0.05 * single, `mean loss of ten steps: ${single} and ${half}`);
});
