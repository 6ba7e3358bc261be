import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { torchTest } from '../support/engine.js';

const main = resolve(fileURLToPath(import.meta.url), '../../../src/cli/main.js');
const folder = await mkdtemp(join(tmpdir(), 'padezoo-cli-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function padezoo(...args: string[]): Promise<Outcome> {
  return new Promise(done => {
    execFile(process.execPath, [main, ...args], { cwd: folder }, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test.serial(
  'info prints the published sizes of LeNet-PAU as JSON, and nothing else, on standard output',
  async t => {
    const { code, stdout } = await padezoo('info', 'lenet', '--activation', 'pau', '--json');
    t.is(code, 0);
    const { parameters, activationParameters, macs } = JSON.parse(stdout);
    t.deepEqual(
      { parameters, activationParameters, macs },
      { parameters: 61_746, activationParameters: 40, macs: 416_520 },
    );
  },
);

for (const command of [
  'train',
  'prune',
  'eval',
  'info',
  'publish',
  'verify',
  'data',
  'quickstart',
  'setup',
]) {
  test.serial(`${command} --help shows an example`, async t => {
    const { code, stdout } = await padezoo(command, '--help');
    t.is(code, 0);
    t.regex(stdout, new RegExp(`Examples?:\\s+[^]*padezoo ${command}|npx padezoo ${command}`));
  });
}

torchTest('train, eval, prune, publish and verify hand a checkpoint from one to the next', async t => {
  const trained = await padezoo('train', 'lenet', '--epochs', '1', '--seed', '1', '--out', 'net', '--json');
  t.is(trained.code, 0, trained.stderr);
  const { testAccuracy, checkpoint } = JSON.parse(trained.stdout);
  t.is(checkpoint, join(folder, 'net'));
  t.regex(trained.stderr, /epoch 1\/1/);

  const evaluated = JSON.parse((await padezoo('eval', 'net', '--json')).stdout);
  t.is(evaluated.testAccuracy, testAccuracy);

  const pruned = await padezoo('prune', 'net', '--steps', '20,40', '--out', 'pruned', '--json');
  t.is(pruned.code, 0, pruned.stderr);
  t.deepEqual(
    JSON.parse(pruned.stdout).steps.map((step: { parameters: number }) => step.parameters),
    [42_102, 26_208],
  );

  const published = await padezoo('publish', 'pruned/step-40', '--to', 'public', '--json');
  t.is(published.code, 0, published.stderr);
  const verified = await padezoo('verify', 'public.tar.gz', '--json');
  t.is(verified.code, 0);
  t.true(JSON.parse(verified.stdout).ok);
});

torchTest('a flipped byte ends with exit code 1 and the name of the file', async t => {
  const path = join(folder, 'public/layers/weights.bin');
  const bytes = await readFile(path);
  bytes[1000]! ^= 1;
  await writeFile(path, bytes);
  const { code, stdout } = await padezoo('verify', 'public', '--json');
  t.is(code, 1);
  t.is(JSON.parse(stdout).problems[0].file, 'layers/weights.bin');
  const loading = await padezoo('eval', 'public');
  t.is(loading.code, 1);
  t.regex(loading.stderr, /layers\/weights\.bin/);
});

test.serial('an unknown architecture is an error that lists the known ones, with exit code 1', async t => {
  const { code, stderr } = await padezoo('train', 'lenett');
  t.is(code, 1);
  t.regex(stderr, /no 'lenett'; known: lenet/);
});

for (const args of [
  ['train'],
  ['train', 'lenet', '--epochs', 'many'],
  ['nonsense'],
  ['info', 'lenet', '--nope'],
]) {
  test.serial(
    `\`padezoo ${args.join(' ')}\` is not understood: exit code 2, nothing on standard output`,
    async t => {
      const { code, stdout } = await padezoo(...args);
      t.is(code, 2);
      t.is(stdout, '');
    },
  );
}
