import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import { enginePrecision } from '../../src/engines/torch/precision.js';
import { EngineError, engine, OptionsError } from '../../src/index.js';
import { torchTest } from '../support/engine.js';

const INDEX = new URL('../../src/index.js', import.meta.url).href;

/** Runs a program that has padezoo's exports, in a process of its own; `answer(value)` is what it is about. */
async function inProcess(body: string, env: NodeJS.ProcessEnv): Promise<{ answer: unknown; said: string }> {
  const program = `
    import { datasets, engine, evaluate, tf, train, zoo } from '${INDEX}';
    const answer = value => process.stdout.write(JSON.stringify(value));
    const failure = promise => promise.then(() => 'it worked', error => error.name + ': ' + error.message);
    ${body}`;
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { env: { ...process.env, PADEZOO_ENGINE: '', ...env } },
  );
  return { answer: JSON.parse(stdout), said: stderr };
}

torchTest('engine.use takes a number of threads, and describe says so', async t => {
  await engine.use('torch', { device: 'cpu', threads: 2 });
  t.is(engine.name, 'torch');
  t.regex(engine.describe(), /^torch \d+\.\d+\.\d+\S*, CPU, 2 threads$/);
  await engine.use('torch', { threads: 1 });
  t.regex(engine.describe(), /, 1 thread$/);
  await engine.use('torch', { threads: 2 });
  t.true(engine.canTrain());
});

torchTest('engine.use takes a precision for its kernels to ask for; without one it is fp32', async t => {
  t.is(enginePrecision(), 'fp32');
  await engine.use('torch', { precision: 'bf16' });
  t.is(enginePrecision(), 'bf16');
  t.regex(engine.describe(), /, bf16$/);
  await engine.use('torch');
  t.is(enginePrecision(), 'fp32');
});

test.serial('engine.use refuses what it does not know, and says what there is', async t => {
  const refused = [
    [['cuda'], /torch, wasm, cpu, tensorflow, got 'cuda'/],
    [['torch', { threads: 0 }], /threads: .*got 0/],
    [['torch', { cores: 2 }], /no option cores, expected one of device, threads, precision/],
    [['torch', { precision: 'fp16' }], /precision: .*fp32.*bf16.*got "fp16"/],
    [['torch', { device: 'tpu' }], /device: .*cpu.*cuda.*got "tpu"/],
  ] as const;
  for (const [args, message] of refused)
    await t.throwsAsync(engine.use(...(args as unknown as Parameters<typeof engine.use>)), {
      instanceOf: OptionsError,
      message,
    });
});

test.serial("torch's options are refused on every other engine, with what to do instead", async t => {
  const running = engine.name;
  for (const name of ['wasm', 'cpu', 'tensorflow'] as const)
    for (const options of [{ threads: 2 }, { precision: 'bf16' }, { device: 'cuda' }] as const) {
      const [[option, value]] = Object.entries(options) as [[string, unknown]];
      const { message } = (await t.throwsAsync(engine.use(name, options), { instanceOf: OptionsError }))!;
      t.true(message.includes(`engine.use('${name}'): ${option}: ${value} is for torch alone; `), message);
    }
  await t.throwsAsync(engine.use('tensorflow', { device: 'cuda' }), { message: /tfjs-node-gpu/ });
  t.is(engine.name, running, 'and the engine that runs goes on running');
});

test.serial('tensorflow, which is not installed, is an error that says what to install', async t => {
  await t.throwsAsync(engine.use('tensorflow'), {
    instanceOf: EngineError,
    message: /npm install @tensorflow\/tfjs-node/,
  });
});

test.serial('a tensor moves along when the engine changes', async t => {
  const first = engine.name as Parameters<typeof engine.use>[0];
  const x = tf.tensor([1.5, -2, 3]);
  for (const name of ['cpu', 'wasm'] as const) {
    await engine.use(name);
    t.is(engine.name, name);
    t.is(engine.describe(), name);
    t.deepEqual([...tf.square(x).dataSync()], [2.25, 4, 9]);
    t.throws(() => engine.memory(), {
      instanceOf: EngineError,
      message: new RegExp(`the engine is ${name}`),
    });
  }
  await engine.use(first);
  t.deepEqual([...tf.square(x).dataSync()], [2.25, 4, 9]);
  x.dispose();
});

test.serial('PADEZOO_ENGINE chooses the engine, silently', async t => {
  const { answer, said } = await inProcess('await engine.ready(); answer(engine.name)', {
    PADEZOO_ENGINE: 'cpu',
  });
  t.is(answer, 'cpu');
  t.is(said, '');
});

test.serial(
  'PADEZOO_ENGINE with an unknown word is an error, and engine.use still works after it',
  async t => {
    const { answer } = await inProcess(
      `const refused = [await failure(engine.ready()), await failure(engine.ready())];
     await engine.use('cpu');
     await engine.ready();
     answer([...refused, engine.name]);`,
      { PADEZOO_ENGINE: 'Torch' },
    );
    const expected = "OptionsError: PADEZOO_ENGINE must be one of torch, wasm, cpu, tensorflow, got 'Torch'";
    t.deepEqual(answer, [expected, expected, 'cpu']);
  },
);

torchTest('by itself it chooses torch, and says so once', async t => {
  const { answer, said } = await inProcess(
    'await Promise.all([engine.ready(), engine.ready()]); await engine.ready(); answer(engine.describe())',
    {},
  );
  t.is(said, `padezoo: using ${answer}\n`);
  t.regex(said, /using torch \d/);
});

test.serial("a program's own choice of backend stays, and nothing is said", async t => {
  const { answer, said } = await inProcess(
    `const { createRequire } = await import('node:module');
     createRequire('${INDEX}')('@tensorflow/tfjs-backend-cpu');
     await tf.setBackend('cpu');
     await engine.ready();
     answer(engine.name);`,
    {},
  );
  t.is(answer, 'cpu');
  t.is(said, '');
});

test.serial('without the native engine wasm runs inference, says so once, and refuses to train', async t => {
  const { answer, said } = await inProcess(
    `await engine.ready();
    const model = zoo.lenet({ activation: 'pau' });
    const split = { images: new Uint8Array(2 * 1024), labels: [0, 1] };
    const data = datasets.fromArrays({ train: split, test: split, inputShape: [32, 32, 1], classes: ['a', 'b'] });
    const refused = await failure(train(model, { data, epochs: 1 }));
    const { testLoss } = await evaluate(model, data);
    answer({ name: engine.name, refused, testLoss, torch: await failure(engine.use('torch')), after: engine.name });`,
    { PADEZOO_NO_ENGINE: '1' },
  );
  const { name, refused, testLoss, torch, after } = answer as Record<string, string> & { testLoss: number };
  t.is(name, 'wasm');
  t.regex(refused!, /^EngineError: train: the wasm engine cannot train convolutions/);
  t.true(testLoss > 1 && testLoss < 4);
  t.regex(said, /padezoo: torch: switched off by PADEZOO_NO_ENGINE=1\n/);
  t.is(said.match(/using wasm: inference works, training does not/g)?.length, 1);
  t.regex(torch!, /^EngineError: torch: switched off/);
  t.is(after, 'wasm', 'a choice that fails changes nothing');
});
