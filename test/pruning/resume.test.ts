import { execFile } from 'node:child_process';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import {
  engine,
  load,
  OptionsError,
  provenanceOf,
  prune,
  RunInUseError,
  summary,
  train,
  zoo,
} from '../../src/index.js';
import { torchTest } from '../support/engine.js';
import { squares } from '../support/images.js';

const script = fileURLToPath(new URL('./resumedRun.js', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'padezoo-resume-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

interface Outcome {
  readonly signal: string | undefined;
  readonly digest?: string;
  readonly log?: string[];
}

/** @param events after which it kills itself */
function run(to: string, events = 0): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, to, String(events)], (error, stdout, stderr) => {
      if (error?.signal === 'SIGKILL') resolve({ signal: error.signal });
      else if (error) reject(new Error(stderr));
      else resolve({ signal: undefined, ...JSON.parse(stdout) });
    });
  });
}

torchTest(
  'a run that is killed again and again ends as one that is not, and a finished one is only read',
  async t => {
    const whole = await run(join(folder, 'whole'));
    const broken = join(folder, 'broken');
    const killed: number[] = [];
    let outcome: Outcome = { signal: undefined };
    // After the first epoch, between networks, in the middle of an epoch: each time one event later.
    for (let events = 6; !outcome.digest; events++) {
      outcome = await run(broken, events);
      if (outcome.signal) killed.push(events);
    }
    t.true(killed.length >= 4, `killed after ${killed.join(', ')} events`);
    t.is<string | undefined, string | undefined>(outcome.digest, whole.digest);
    const again = await run(broken);
    t.is(again.digest, whole.digest);
    t.deepEqual(again.log, ['plan', ...new Array(5).fill(['resumed', 'step']).flat()].toSpliced(2, 1));
    const left = (await readdir(broken)).filter(name => /safetensors/.test(name));
    t.deepEqual(left, ['rewind-1.safetensors'], 'no half-finished training is left');
  },
);

const recipe = { epochs: 1, batchSize: 32, seed: 4 };
const lenet = (seed = 2) => zoo.lenet({ classes: 4, seed });

torchTest(
  'every step is a checkpoint with metrics and kept channels, and TensorBoard scalars lie beside',
  async t => {
    const to = join(folder, 'steps');
    const result = await prune(lenet(), { steps: [20], train: recipe, data: squares(), to });
    const model = await load(join(to, 'step-20'));
    const { metrics, pruning } = provenanceOf(model);
    t.deepEqual(metrics, result.best.metrics);
    t.deepEqual(pruning!.at(-1)!.kept, result.best.kept);
    t.is(summary(model).parameters, result.best.parameters);
    await access(join(to, 'step-0', 'padezoo.json'));
    const { epochs } = JSON.parse(await readFile(join(to, 'step-20.json'), 'utf8'));
    t.deepEqual(epochs, JSON.parse(JSON.stringify(result.best.epochs)));
    await access(join(to, 'tensorboard', 'step-20', 'events.out.tfevents.0.padezoo'));
  },
);

torchTest('other options, another network and a folder of other things are refused', async t => {
  const to = join(folder, 'options');
  const data = squares();
  const model = lenet();
  await train(model, { ...recipe, data });
  await prune(model, { steps: [20], train: recipe, data, to });
  const refused = async (given: ReturnType<typeof lenet>, options: object, message: RegExp) =>
    t.throwsAsync(async () => prune(given, { steps: [20], train: recipe, data, to, ...options }), {
      instanceOf: OptionsError,
      message,
    });
  await refused(model, { steps: [20, 40] }, /run with another steps \(steps: \[20\], now \[20,40\]\)/);
  await refused(model, { criterion: 'l1' }, /another criterion/);
  await refused(lenet(3), {}, /another network/);
  await engine.use('torch', { precision: 'bf16' });
  await refused(model, {}, /another precision \(precision: nothing, now "bf16"\)/);
  await engine.use('torch');
  const other = join(folder, 'other');
  await prune(lenet(), { steps: [20], train: false, to: other });
  await rm(join(other, 'run.json'));
  await refused(model, { to: other }, /no run\.json.*empty folder/);
});

torchTest('a folder is one process’s at a time; the lock of one that ended is taken over', async t => {
  const to = join(folder, 'locked');
  await prune(lenet(), { steps: [20], train: false, to });
  const lock = (pid: number, host = hostname()) =>
    writeFile(join(to, 'run.lock'), JSON.stringify({ pid, host }));
  const again = () => prune(lenet(), { steps: [20], train: false, to });
  await lock(process.pid);
  await t.throwsAsync(async () => again(), { instanceOf: RunInUseError });
  await lock(1, 'another machine');
  await t.throwsAsync(async () => again(), { instanceOf: RunInUseError });
  await lock(2 ** 22 + 1); // above Linux's largest process number
  await t.notThrowsAsync(async () => again());
  await writeFile(join(to, 'run.lock'), '');
  await t.notThrowsAsync(async () => again());
});
