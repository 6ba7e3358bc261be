/** What needs a libtorch with CUDA: our kernels in its dispatcher; and what needs a GPU: training as on the CPU, as a graph. */
import { spawnSync } from 'node:child_process';
import test from 'ava';
import { type LoadedAddon, loadAddon } from '../../src/engines/torch/addon.js';

function addonOrNone(): LoadedAddon | undefined {
  try {
    return loadAddon();
  } catch {
    return undefined;
  }
}

const loaded = addonOrNone();
const onGpu = (loaded?.addon.gpus() ?? 0) > 0 ? test.serial : test.serial.skip;

/** What a Python prints. */
function python(program: string, ...args: string[]): string {
  const name = process.env.PADEZOO_PYTHON ?? 'python3';
  const { stdout, stderr, status } = spawnSync(name, ['-c', program, ...args], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : stderr;
}

const TORCH_FOLDER = 'import os, torch; print(os.path.dirname(torch.__file__))';
const REGISTERED = `import sys, torch
torch.ops.load_library(sys.argv[1])
for name in ("pade::forward", "pade::backward"):
    print(name, torch._C._dispatch_has_kernel_for_dispatch_key(name, "CUDA"))`;

const isFused = loaded?.record.cuda === 'fused' && python(TORCH_FOLDER) === loaded.record.libtorch.path;
const withKernels = isFused ? test.serial : test.serial.skip;

withKernels('in a libtorch with CUDA, the Padé operators have our kernels, with a GPU or without', t => {
  t.is(python(REGISTERED, loaded?.record.operators ?? ''), 'pade::forward True\npade::backward True');
});

function train(device: string): { numbers: number[]; how: string } {
  const { stdout, stderr, status } = spawnSync('node', ['dist/test/engines/deviceSteps.js', device], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

onGpu('on a GPU training goes as on the CPU, as a graph', t => {
  t.timeout(300_000);
  const cpu = train('cpu');
  const gpu = train('cuda');
  t.is(gpu.how, 'graph');
  gpu.numbers.forEach((value, i) => {
    const expected = cpu.numbers[i]!;
    t.true(
      Math.abs(value - expected) <= 1e-3 * Math.max(1, Math.abs(expected)),
      `${i}: ${value}, ${expected}`,
    );
  });
});
