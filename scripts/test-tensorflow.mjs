#!/usr/bin/env node
/**
 * Trains LeNet-PAU on the engines torch and tensorflow from the same seed and compares their losses; run
 * `npm run test:tensorflow`. It takes pip and about 1.5 GB of disk: in out/tensorflow it makes the project of a user who
 * has installed padezoo and `@tensorflow/tfjs-node`, and builds the latter with build-tfjs-node.mjs.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PROJECT = join(ROOT, 'out/tensorflow');
const STEPS = 40;
/** Of each loss: two libraries add float32 numbers in different orders, and 40 steps of Adam amplify that. */
const TOLERANCE = 1e-3;
/** The last five steps' mean loss, of the first five's: it learns. */
const LEARNED = 0.5;

const PROGRAM = `
import { datasets, engine, train, zoo } from 'padezoo';
const [name, steps] = process.argv.slice(2);
await engine.use(name);
const model = zoo.lenet({ activation: 'pau', seed: 1 });
const losses = [];
for await (const event of train(model, { data: datasets.fashionMnist(), epochs: 1, batchSize: 64, seed: 1 })) {
  if (event.type === 'step' && losses.push(event.loss) == steps) break;
}
process.stdout.write(JSON.stringify({ engine: engine.describe(), losses }));
`;

mkdirSync(PROJECT, { recursive: true });
writeFileSync(join(PROJECT, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
writeFileSync(join(PROJECT, 'train.js'), PROGRAM);
const [{ filename }] = JSON.parse(
  run(ROOT, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', PROJECT),
);
run(
  PROJECT,
  ...['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'],
  ...[`./${filename}`, '@tensorflow/tfjs-node@4.22.0'],
);
run(PROJECT, process.execPath, join('node_modules/padezoo/scripts/build-tfjs-node.mjs'));

const [torch, tensorflow] = ['torch', 'tensorflow'].map(name =>
  JSON.parse(run(PROJECT, process.execPath, 'train.js', name, String(STEPS))),
);
const mean = losses => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
console.log(`LeNet-PAU, batch 64, Adam\n  torch       ${torch.engine}\n  tensorflow  ${tensorflow.engine}`);
console.log('step  torch      tensorflow');
let worst = 0;
torch.losses.forEach((loss, i) => {
  const other = tensorflow.losses[i];
  worst = Math.max(worst, Math.abs(loss - other) / loss);
  if (i % 5 === 4 || i === 0)
    console.log(`${String(i + 1).padStart(4)}  ${loss.toFixed(6)}   ${other.toFixed(6)}`);
});
const share = mean(torch.losses.slice(-5)) / mean(torch.losses.slice(0, 5));
const same = torch.losses.length === STEPS && tensorflow.losses.length === STEPS && worst <= TOLERANCE;
const passed = same && share <= LEARNED;
console.log(
  `largest relative difference ${worst.toExponential(1)} (at most ${TOLERANCE}), last losses ${(100 * share).toFixed(0)} % of the first (at most ${100 * LEARNED} %): ${passed ? 'passed' : 'failed'}`,
);
process.exitCode = passed ? 0 : 1;

/** The program's standard output; its messages go to standard error. */
function run(cwd, program, ...args) {
  const { status, stdout, error } = spawnSync(program, args, {
    cwd,
    stdio: ['ignore', 'pipe', 2],
    encoding: 'utf8',
  });
  if (status === 0) return stdout;
  console.error(`test-tensorflow: ${[program, ...args].join(' ')} failed: ${error?.message ?? stdout}`);
  process.exit(1);
}
