/**
 * What needs a libtorch with CUDA: our kernels in its dispatcher, and training on a simulated GPU; and what needs a GPU: training
 * as on the CPU, as a graph.
 */
import { spawnSync } from 'node:child_process';
import test, { type ExecutionContext } from 'ava';
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
normalised = [f"padezoo::batch_norm{what}{way}" for what in ("", "_pade", "_add_pade") for way in ("", "_backward")]
convolved = [f"padezoo::depthwise{what}" for what in ("", "_input", "_filter")]
for name in ("pade::forward", "pade::backward", *normalised, *convolved):
    assert torch._C._dispatch_has_kernel_for_dispatch_key(name, "CUDA"), name
print("all")`;

const isFused = loaded?.record.cuda === 'fused' && python(TORCH_FOLDER) === loaded.record.libtorch.path;
const withKernels = isFused ? test.serial : test.serial.skip;

withKernels(
  'in a libtorch with CUDA, the operators with kernels of ours have them, with a GPU or without',
  t => {
    t.is(python(REGISTERED, loaded?.record.operators ?? ''), 'all');
  },
);

interface Trained {
  readonly numbers: number[];
  readonly how: string;
}

function train(device: string, through: readonly string[] = []): Trained {
  const program = [...through, 'dist/test/engines/deviceSteps.js', device];
  const { stdout, stderr, status } = spawnSync('node', program, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function isAsOnCpu(t: ExecutionContext, found: Trained, tolerance: number): void {
  t.is(found.how, 'graph');
  for (const [i, expected] of train('cpu').numbers.entries()) {
    const value = found.numbers[i]!;
    t.true(
      Math.abs(value - expected) <= tolerance * Math.max(1, Math.abs(expected)),
      `${i}: ${value}, ${expected}`,
    );
  }
}

onGpu('on a GPU training goes as on the CPU, as a graph', t => {
  t.timeout(300_000);
  isAsOnCpu(t, train('cuda'), 1e-3);
});

const canSimulate =
  loaded?.record.cuda === 'fused' && loaded.addon.gpus() === 0 && process.platform === 'linux';
const onSimulated = canSimulate ? test.serial : test.serial.skip;

onSimulated('on a simulated GPU, whose streams and captures forbid what real ones do, as well', t => {
  t.timeout(600_000);
  const simulated = ['scripts/simulate-cuda.mjs', '--gpus', '2', '--', 'node'];
  for (const device of ['cuda', 'cuda:1']) isAsOnCpu(t, train(device, simulated), 1e-4);
});

onSimulated('threads that capture at once do not break each other’s captures', t => {
  t.timeout(300_000);
  const program = ['scripts/simulate-cuda.mjs', '--', 'node', 'dist/test/engines/captures.js', 'cuda'];
  const { stdout, stderr, status } = spawnSync('node', program, { encoding: 'utf8' });
  t.is(status, 0, stderr);
  t.deepEqual(stdout.trim().split('\n'), new Array(24).fill('graph'));
});
