/** What needs a GPU: training on it against the CPU, steps as graphs, and two runs that agree in every bit. */
import { spawnSync } from 'node:child_process';
import test from 'ava';
import { loadAddon } from '../../src/engines/torch/addon.js';

function gpus(): number {
  try {
    return loadAddon().addon.gpus() ?? 0;
  } catch {
    return 0;
  }
}

const onGpu = gpus() > 0 ? test.serial : test.serial.skip;

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
