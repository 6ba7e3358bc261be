/** `padezoo publish` and `padezoo compare` as people type them: flags, what is printed where, exit codes. */
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { prune, zoo } from '../../src/index.js';
import { readRun } from '../../src/publish/readRun.js';
import { saveCheckpoint } from '../../src/publish/saveCheckpoint.js';
import { remember } from '../../src/training/provenance.js';
import { temporaryFolder } from '../publish/fixtures.js';
import '../support/engine.js';
import { padezooIn } from '../support/padezoo.js';

const padezoo = (folder: string) => padezooIn(folder, { HF_TOKEN: '' });

/** A run of two steps, whose second is named by two digits more than the first. */
async function runIn(t: ExecutionContext): Promise<string> {
  const folder = await temporaryFolder(t);
  const model = zoo.lenet({ activation: 'pau', seed: 2 });
  remember(model, { metrics: { testAccuracy: 0.9, testLoss: 0.3 } });
  const { steps } = await prune(model, { steps: [5, 62.5], train: false, to: join(folder, 'run') });
  for (const step of steps) step.model.dispose();
  model.dispose();
  return folder;
}

test.serial('publish takes a run, and every flag reaches what is written', async t => {
  const folder = await runIn(t);
  const typed =
    'publish run --to out/net --formats graph,onnx --storage float16,uint8 --fold --functions --licence mit --tolerance 0.1 --npm @me/net --hub me/net --json';
  const { code, stdout, stderr } = await padezoo(folder)(...typed.split(' '));
  t.is(code, 0, stderr);
  const result = JSON.parse(stdout);
  t.is(result.directory, join(folder, 'out/net'));
  t.is(result.archive, join(folder, 'out/net.tar.gz'));
  t.is(result.npmPackage, join(folder, 'out/net-npm'));
  t.regex(stderr, /not pushed to me\/net: set HF_TOKEN/);
  const manifest = JSON.parse(await readFile(join(folder, 'out/net/padezoo.json'), 'utf8'));
  t.deepEqual(
    manifest.parity.formats.map(({ format }: { format: string }) => format),
    ['layers', 'graph', 'onnx'],
  );
  t.deepEqual(
    manifest.variants.map(({ folder: name }: { folder: string }) => name),
    ['graph-float16', 'graph-uint8'],
  );
  t.is(manifest.licence, 'mit');
  t.is(manifest.folding.layers, 0); // LeNet has no batch normalisation to fold
  t.deepEqual(
    manifest.ladder.steps.map(({ percent, published }: Record<string, unknown>) => [percent, published]),
    [
      [0, false],
      [5, false],
      [62.5, true],
    ],
  );
  t.true((await readFile(join(folder, 'out/net/onnx/model.onnx'))).includes('Pade_5_4_absolute_sum'));
  t.is(JSON.parse(await readFile(join(folder, 'out/net-npm/package.json'), 'utf8')).name, '@me/net');

  const again = await padezoo(folder)('publish', 'run/step-5', '--to', 'five', '--no-archive');
  t.is(again.code, 0, again.stderr);
  t.regex(again.stdout, /^folder: {2}.*five\n/);
  for (const said of ['layers', 'graph', 'onnx', 'safetensors', '100'])
    t.true(again.stdout.includes(said), said);
  t.notRegex(again.stdout, /archive|undefined/);
  await t.throwsAsync(access(join(folder, 'five.tar.gz')));

  const compared = await padezoo(folder)('compare', 'out/net', 'five', '--json');
  t.is(compared.code, 0, compared.stderr);
  const { networks } = JSON.parse(compared.stdout);
  t.deepEqual(
    networks.map(({ name }: { name: string }) => name),
    ['out/net', 'five'],
  );
  t.true(networks[0].parameters < networks[1].parameters && networks[0].macs < networks[1].macs);
  t.true(networks[1].latencyMs[1] > 0 && networks[1].latencyMs[64] > 0);
  const shown = await padezoo(folder)('compare', 'out/net.tar.gz', 'five');
  for (const said of ['parameters', 'MACs', 'latency, 64 images', 'widths divisible by 8', 'five'])
    t.true(shown.stdout.includes(said), said);
});

test.serial(
  'what cannot be published or compared is one line on standard error, and nothing is written',
  async t => {
    const folder = await temporaryFolder(t);
    await mkdir(join(folder, 'started'));
    await writeFile(join(folder, 'started/run.json'), '{}');
    await mkdir(join(folder, 'thesis'));
    await writeFile(join(folder, 'thesis/draft.txt'), 'years of work');
    const model = zoo.lenet({ activation: 'relu' });
    await saveCheckpoint(model, join(folder, 'net'));
    model.dispose();
    const failures: [string, RegExp][] = [
      ['publish nowhere --to out', /nowhere: the path does not exist/],
      ['publish started --to out', /started is a run without a finished step; let it run on/],
      ['publish net --to thesis', /thesis is a folder without padezoo\.json/],
      ['publish net --to out --npm Not/A/Name', /npm takes no package 'Not\/A\/Name'/],
      ['publish net --to out --hub nobody', /the hub has no repository 'nobody'; expected OWNER\/NAME/],
      ['compare net', /got 1 networks, expected two or more/],
      ['compare net nowhere', /nowhere: the path does not exist/],
    ];
    const before = await readdir(folder);
    for (const [typed, message] of failures) {
      const { code, stdout, stderr } = await padezoo(folder)(...typed.split(' '));
      t.is(code, 1, typed);
      t.is(stdout, '', typed);
      t.regex(stderr, message);
      t.notRegex(stderr, /\n {4}at /, typed);
    }
    t.deepEqual(await readdir(folder), before);
  },
);

for (const typed of [
  'publish net',
  'publish net --to out --formats graph,onyx',
  'publish net --to out --storage int4',
  'publish net --to out --tolerance much',
  'publish net --to out --tolerance 2',
  'compare',
]) {
  test.serial(`\`padezoo ${typed}\` is not understood: exit code 2`, async t => {
    const { code, stdout, stderr } = await padezoo(await temporaryFolder(t))(...typed.split(' '));
    t.is(code, 2);
    t.is(stdout, '');
    t.regex(stderr, /error: /);
  });
}

test.serial('a run is read in the order of its steps, without the unpruned network', async t => {
  const folder = await runIn(t);
  const { steps } = await readRun(join(folder, 'run'));
  t.deepEqual(
    steps.map(({ percent }) => percent),
    [5, 62.5],
  );
  t.true(steps[0]!.parameters > steps[1]!.parameters && steps[0]!.macs > steps[1]!.macs);
  t.is(steps[0]!.metrics, undefined);
  for (const { model } of steps) model.dispose();
  await t.throwsAsync(readRun(join(folder, 'run/step-5')), { message: /is a run without a finished step/ });
});
