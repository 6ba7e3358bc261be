#!/usr/bin/env node
/**
 * Peak memory of training steps of DenseNet121 (32x32 images, Adam) beside PyTorch's: a process for each, and their ratio.
 *
 *   node scripts/bench-memory.mjs [--batch 32] [--steps 6] [--threads N] [--activation relu]
 *
 * PyTorch is the Python's that PADEZOO_PYTHON names, else of `python3`.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    batch: { type: 'string', default: '32' },
    steps: { type: 'string', default: '6' },
    threads: { type: 'string', default: String(availableParallelism()) },
    activation: { type: 'string', default: 'relu' },
    side: { type: 'string', default: 'both' },
  },
});
const [batch, steps, threads] = [options.batch, options.steps, options.threads].map(Number);

/** What a process reports: bytes resident at most, before the first step and after the last. */
function measured(command, parameters) {
  return JSON.parse(
    execFileSync(command, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

if (options.side === 'ours') {
  console.log(JSON.stringify(await ours()));
} else {
  const self = fileURLToPath(import.meta.url);
  const shared = [
    '--batch',
    batch,
    '--steps',
    steps,
    '--threads',
    threads,
    '--activation',
    options.activation,
  ];
  const us = measured(process.execPath, [self, '--side', 'ours', ...shared].map(String));
  const script = fileURLToPath(new URL('bench-memory.py', import.meta.url));
  const them = measured(process.env.PADEZOO_PYTHON ?? 'python3', [script, batch, steps, threads].map(String));
  const mebibytes = bytes => `${(bytes / 2 ** 20).toFixed(0)} MiB`.padStart(9);
  console.log(`DenseNet121, batch ${batch}, float32, ${steps} steps, ${threads} threads`);
  for (const [side, { version, before, peak }] of [
    [`padezoo, ${options.activation}`, us],
    ['PyTorch, relu', them],
  ])
    console.log(
      `  ${side.padEnd(16)} peak ${mebibytes(peak)}, before the first step ${mebibytes(before)}  (${version})`,
    );
  console.log(`  ratio of peaks ${(us.peak / them.peak).toFixed(2)} x`);
  us.byStep.forEach(({ mode, used, resident }, i) => {
    console.log(`  step ${i + 1}: next ${mode}, held ${mebibytes(used)}, peak so far ${mebibytes(resident)}`);
  });
}

/** The step that `train` takes. */
async function ours() {
  const { engine, tf, zoo } = await import('../dist/src/index.js');
  const { Recipe } = await import('../dist/src/training/recipe.js');
  const { TrainStep } = await import('../dist/src/training/trainStep.js');
  const peak = () => process.resourceUsage().maxRSS * 1024;
  await engine.use('torch', { threads });
  const model = zoo.denseNet121({ activation: options.activation });
  const step = new TrainStep(model, Recipe.parse({ optimizer: 'adam' }));
  const images = tf.randomNormal([batch, 32, 32, 3], 0, 1, 'float32', 1);
  const labels = tf.tensor1d(
    Array.from({ length: batch }, (_, i) => i % 10),
    'int32',
  );
  const before = peak();
  const byStep = [];
  for (let i = 0; i < steps; i++) {
    step.run(images, labels, 0.002);
    byStep.push({ mode: step.compiled.mode, used: engine.memory().usedBytes, resident: peak() });
  }
  return { version: engine.describe(), before, peak: peak(), byStep };
}
