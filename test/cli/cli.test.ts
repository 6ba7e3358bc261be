import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { torchTest } from '../support/engine.js';
import { padezooIn } from '../support/padezoo.js';

const folder = await mkdtemp(join(tmpdir(), 'padezoo-cli-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

const padezoo = padezooIn(folder);

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

torchTest('--precision and --device choose how exactly torch calculates, and where', async t => {
  const few = ['--epochs', '1', '--train-images', '200', '--test-images', '100'];
  const narrow = await padezoo('train', 'lenet', ...few, '--precision', 'bf16', '--json');
  t.is(narrow.code, 0, narrow.stderr);
  t.regex(narrow.stderr, /torch .*CPU.*bf16/);
  for (const [device, expected, message] of [
    ['cuda:99', 1, /device 'cuda:99'/],
    ['gpu', 2, /--device.*'gpu'.*'cuda:1'/],
  ] as const) {
    const { code, stderr } = await padezoo('train', 'lenet', ...few, '--device', device);
    t.is(code, expected);
    t.regex(stderr, message);
  }
});

test.serial('prune --explain only reads a network, and needs no GPU for it', async t => {
  const elsewhere = ['--device', 'cuda:99', '--json'];
  const { code, stdout, stderr } = await padezoo('prune', 'lenet', '--explain', ...elsewhere);
  t.is(code, 0, stderr);
  t.true(JSON.parse(stdout).groups.length > 0);
});

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

torchTest(
  'train --activation-history writes what each epoch saw, and warns of inputs out of range',
  async t => {
    const file = 'history/activations.json';
    const args = ['lenet', '--epochs', '2', '--seed', '1', '--activation-history', file];
    const { code, stderr, stdout } = await padezoo('train', ...args);
    t.is(code, 0, stderr);
    t.regex(stdout, /activations: history\/activations\.json/);
    const epochs = JSON.parse(await readFile(join(folder, file), 'utf8'));
    t.is(epochs.length, 2);
    for (const { activations } of epochs) {
      t.deepEqual(
        activations.map(({ layer }: { layer: string }) => layer),
        ['act1', 'act2', 'act3', 'act4'],
      );
      t.is(activations[0].coefficients[0].numerator.length, 6);
    }
    t.notDeepEqual(epochs[0].activations[0].coefficients, epochs[1].activations[0].coefficients);
    const tooFar = epochs.flatMap(({ activations }: { activations: { layer: string; outside: number }[] }) =>
      activations.filter(({ outside }) => outside > 0.05).map(({ layer }) => layer),
    );
    const warned = [...stderr.matchAll(/^train: warning: (act\d): \d+ % of the inputs/gm)].map(
      match => match[1],
    );
    t.deepEqual(warned.sort(), [...new Set(tooFar)].sort());
  },
);

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

test.serial('a folder that cannot be written to is refused before any training, in one line', async t => {
  const taken = join(folder, 'taken');
  await writeFile(taken, 'not a folder');
  const { code, stdout, stderr } = await padezoo('train', 'lenet', '--out', join(taken, 'net'));
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /padezoo: ENOTDIR: .*taken/);
  t.notRegex(stderr, /epochs of|\n {4}at /);
});

test.serial('without the native engine, setup says so in one line, and info still answers', async t => {
  const withoutEngine = padezooIn(folder, { PADEZOO_NO_ENGINE: '1', PADEZOO_ENGINE: undefined });
  const { code, stdout, stderr } = await withoutEngine('setup');
  t.is(code, 1);
  t.is(stdout, '');
  t.is(stderr.trim(), 'padezoo: addon: switched off by PADEZOO_NO_ENGINE=1');
  const info = await withoutEngine('info', 'lenet', '--json');
  t.is(JSON.parse(info.stdout).parameters, 61_746);
  t.regex(info.stderr, /inference works, training does not/);
  const training = await withoutEngine('train', 'lenet', '--epochs', '1');
  t.is(training.code, 1);
  t.regex(training.stderr, /the wasm engine cannot train/);
});

for (const args of [
  ['train'],
  ['train', 'lenet', '--epochs', 'many'],
  ['nonsense'],
  ['info', 'lenet', '--nope'],
  ['prune', 'net', '--steps', '10,,20'],
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
