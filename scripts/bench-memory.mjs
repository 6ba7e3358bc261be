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

/** Our step, in the parts that `train` is made of. */
async function ours() {
  const { CompiledStep } = await import('../dist/src/engines/compiledStep.js');
  const { engine, softmaxCrossEntropy, tf, zoo } = await import('../dist/src/index.js');
  const { Optimizer } = await import('../dist/src/training/optimizer.js');
  const { Recipe } = await import('../dist/src/training/recipe.js');
  const peak = () => process.resourceUsage().maxRSS * 1024;
  await engine.use('torch', { threads });
  const model = zoo.denseNet121({ activation: options.activation });
  const optimizer = new Optimizer(model, Recipe.parse({ optimizer: 'adam' }));
  const images = tf.randomNormal([batch, 32, 32, 3], 0, 1, 'float32', 1);
  const labels = tf.tensor1d(
    Array.from({ length: batch }, (_, i) => i % 10),
    'int32',
  );
  const update = new CompiledStep(([images, labels, learningRate]) => {
    const { value, grads } = tf.variableGrads(
      () => softmaxCrossEntropy(model.apply(images, { training: true }), labels),
      [...optimizer.variables],
    );
    optimizer.apply(
      optimizer.variables.map(variable => grads[variable.name]),
      learningRate,
      value,
    );
    return [value];
  });
  const before = peak();
  const byStep = [];
  for (let i = 0; i < steps; i++) {
    tf.tidy(() => update.run([images, labels, tf.scalar(0.002)])[0].dataSync());
    byStep.push({ mode: update.mode, used: tf.memory().numBytes, resident: peak() });
  }
  return { version: engine.describe(), before, peak: peak(), byStep };
}
