#!/usr/bin/env node
/**
 * The Padé kernels on a GPU beside PyTorch's ReLU, Horner PAUs and the reference schemes, then whole training steps beside
 * PyTorch eager. Writes docs/benchmarks/ with machine, versions and commit.
 *
 *   npm run bench:cuda -- [--device cuda] [--elements N] [--output FOLDER] [--skip-steps]
 *
 * PADEZOO_PYTHON names a Python with a CUDA torch (default python3).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findNvcc } from './cuda.mjs';
import { findAddon } from './setup.mjs';

const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    elements: { type: 'string', default: String(2 ** 28) },
    output: { type: 'string', default: 'docs/benchmarks' },
    'skip-steps': { type: 'boolean', default: false },
  },
});
const python = process.env.PADEZOO_PYTHON ?? 'python3';
const record = findAddon();
if (!record) fail('there is no native engine; run `npm run setup` first');
if (record.cuda !== 'fused')
  fail(
    `the engine has no CUDA kernels of ours (${record.cuda}); it needs a libtorch with CUDA and nvcc at set-up`,
  );

function fail(message) {
  process.stderr.write(`bench-cuda: ${message}\n`);
  process.exit(1);
}

const script = name => fileURLToPath(new URL(name, import.meta.url));
/** A Python program's last line, which is JSON; its progress goes to standard error. */
function runPython(name, ...args) {
  const { status, stdout } = spawnSync(python, [script(name), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) fail(`${name} failed; its message is above`);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

const { path: nvcc } = findNvcc(); // there is one: such a record is found with the nvcc that built it alone
const kernels = runPython('bench-cuda.py', record.operators, options.device, options.elements, nvcc);
const rows = kernels.rows.map(
  row =>
    `| ${row.dtype} | ${row.elements} | ${row.name} | ${row.direction} | ${row.bytes} | ${row.milliseconds.toFixed(4)} | ${(100 * row.share).toFixed(1)} % | ${row.error === null ? '' : row.error.toExponential(1)} |`,
);
let commit = process.env.PADEZOO_COMMIT; // unpacked from an archive, perhaps within another repository
try {
  commit ??= execFileSync('git', ['rev-parse', 'HEAD'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
} catch {
  commit = 'unknown';
}
const steps = [];
if (!options['skip-steps']) {
  for (const [network, batch] of [
    ['lenet', 256],
    ['mobileNetV2', 64],
    ['resnet101', 64],
  ])
    for (const precision of ['tf32', 'bf16']) {
      const ours = spawnSync(
        process.execPath,
        [script('bench-cuda-step.mjs'), network, String(batch), precision, options.device],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 2] },
      );
      if (ours.status !== 0) fail(`the step of ${network} failed; its message is above`);
      const mine = JSON.parse(ours.stdout.trim().split('\n').at(-1));
      const peer = runPython('bench-cuda-step.py', network, String(batch), precision, options.device);
      steps.push({ network, batch, precision, ours: mine, peer });
    }
}
const stepRows = steps.map(
  ({ network, batch, precision, ours, peer }) =>
    `| ${network} [${batch}] | ${precision} | ${ours.milliseconds.toFixed(3)} | ${ours.how} | ${peer.milliseconds.toFixed(3)} | ${(peer.milliseconds / ours.milliseconds).toFixed(2)} x | ${(ours.bytes / 2 ** 20).toFixed(0)} | ${(peer.bytes / 2 ** 20).toFixed(0)} |`,
);
const text = [
  `# ${kernels.gpu}`,
  '',
  `${new Date().toISOString()}, ${hostname()}, commit ${commit}, libtorch ${record.libtorch.version}, PyTorch ${kernels.torch}, CUDA ${kernels.cuda}, Node ${process.version}.`,
  `Device-to-device copy in the same run: ${kernels.copy.toFixed(0)} GB/s (read and written).`,
  '',
  '## Kernels, order [5, 4]',
  '',
  '"share": of the copy bandwidth, by the bytes that the operation has to move. "error": of the coefficients\' gradients, the largest relative to float64.',
  '',
  '| dtype | elements | kernel | direction | bytes | ms | share | error |',
  '|---|---|---|---|---|---|---|---|',
  ...rows,
  ...(steps.length
    ? [
        '',
        '## Training steps: PAU here, ReLU in PyTorch eager (channels_last, same precision)',
        '',
        '| network | precision | padezoo ms | runs as | PyTorch ms | ratio | padezoo MiB | PyTorch MiB |',
        '|---|---|---|---|---|---|---|---|',
        ...stepRows,
      ]
    : []),
  '',
].join('\n');
mkdirSync(options.output, { recursive: true });
const name = kernels.gpu.toLowerCase().replace(/[^a-z0-9]+/g, '-');
writeFileSync(join(options.output, `cuda-${name}.md`), text);
writeFileSync(
  join(options.output, `cuda-${name}.json`),
  `${JSON.stringify({ commit, kernels, steps }, null, 2)}\n`,
);
process.stdout.write(text);
