/** The choice of a device where there is no GPU, what a GPU would run composed of ATen's operators, and steps as graphs. */
import { spawnSync } from 'node:child_process';
import test from 'ava';
import { loadAddon } from '../../src/engines/torch/addon.js';
import { useDevice } from '../../src/engines/torch/device.js';
import { EngineError, engine, OptionsError } from '../../src/index.js';

function withGpus(gpus: number | null) {
  const chosen: string[] = [];
  return {
    chosen,
    addon: { gpus: () => gpus, device: () => 'cpu', setDevice: (name: string) => void chosen.push(name) },
  };
}

test('a libtorch without CUDA, a machine without a GPU and a GPU too many are told apart', t => {
  for (const [gpus, device, message] of [
    [
      null,
      'cuda',
      /'cuda' needs a libtorch with CUDA.*2\.13\.0 from pip.*built for the CPU.*PADEZOO_LIBTORCH/s,
    ],
    [0, 'cuda', /no GPU on this machine.*nvidia-smi/],
    [1, 'cuda:1', /'cuda:1' is not there: this machine has cuda:0 alone/],
    [4, 'cuda:4', /this machine has cuda:0 to cuda:3/],
  ] as const) {
    const { addon, chosen } = withGpus(gpus);
    t.throws(() => useDevice(addon, device, '2.13.0 from pip'), { instanceOf: EngineError, message });
    t.deepEqual(chosen, []);
  }
});

test('GPUs are counted by every libtorch with CUDA, also where there is none, and by no other', t => {
  const { addon, record } = loadAddon();
  t.is(addon.gpus() === null, record.cuda === 'none');
});

test('a GPU that is there is chosen by its name', t => {
  const { addon, chosen } = withGpus(2);
  for (const device of ['cuda', 'cuda:1', 'cpu']) useDevice(addon, device, '');
  t.deepEqual(chosen, ['cuda', 'cuda:1', 'cpu']);
});

test.serial('what only a GPU has is refused on the CPU, and the engine goes on', async t => {
  await engine.use('torch');
  await t.throwsAsync(engine.use('torch', { precision: 'tf32' }), {
    instanceOf: OptionsError,
    message: /device 'cuda'/,
  });
  await t.throwsAsync(engine.use('torch', { convolutions: 'measured' }), { instanceOf: OptionsError });
  await t.throwsAsync(engine.use('torch', { device: 'cuda:x' }), {
    instanceOf: OptionsError,
    message: /cuda:1/,
  });
  t.is(engine.name, 'torch');
  t.regex(engine.describe(), /CPU/);
});

/** Losses and the last weights' sum of some training steps, in a process of its own with these settings. */
function train(settings: NodeJS.ProcessEnv): { numbers: number[]; how: string } {
  const { stdout, stderr, status } = spawnSync('node', ['dist/test/engines/deviceSteps.js'], {
    encoding: 'utf8',
    env: { ...process.env, ...settings },
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

test('a step replayed as a graph, variables in place and inputs copied, gives the same bits', t => {
  t.timeout(120_000);
  const calls = train({});
  const graph = train({ PADEZOO_GRAPHS: 'simulated' });
  t.is(calls.how, 'calls');
  t.is(graph.how, 'graph');
  t.deepEqual(graph.numbers, calls.numbers);
});

test('composed of ATen operators, training goes the same way as with the fused kernels', t => {
  t.timeout(120_000);
  const fused = train({});
  const composed = train({ PADEZOO_COMPOSED: '1' });
  composed.numbers.forEach((value, i) => {
    const expected = fused.numbers[i]!;
    t.true(
      Math.abs(value - expected) <= 2e-4 * Math.max(1, Math.abs(expected)),
      `${i}: ${value}, ${expected}`,
    );
  });
});

test('composed of ATen operators, activations and convolutions hold what the fused kernels are held to', t => {
  t.timeout(300_000);
  const files = [
    ...['ops/pade', 'ops/padeSets', 'ops/smoothUnits', 'ops/batchNorm', 'ops/optimizerStep'],
    ...['activations/baselines', 'engines/windowKernels', 'engines/ownConvolution'],
  ];
  const { stdout, status } = spawnSync(
    'node',
    [
      'node_modules/ava/entrypoints/cli.mjs',
      '--concurrency=1',
      ...['wasm*', 'cpu*', '*2^24*', 'the float64 reference*', '*any number of threads*'].map(
        other => `--match=!${other}`,
      ),
      ...files.map(name => `dist/test/${name}.test.js`),
    ],
    { encoding: 'utf8', env: { ...process.env, PADEZOO_COMPOSED: '1', NO_COLOR: '1' } },
  );
  t.is(status, 0, stdout.slice(-4000));
  t.regex(stdout, /\d{3} tests passed/);
});
