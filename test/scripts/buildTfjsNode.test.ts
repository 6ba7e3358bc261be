import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

// What it builds is tried by `npm run test:tensorflow`.
const script = resolve(fileURLToPath(import.meta.url), '../../../../scripts/build-tfjs-node.mjs');
const project = await mkdtemp(join(tmpdir(), 'padezoo-tfjs-node-'));
test.after.always(() => rm(project, { recursive: true, force: true }));

const build = (...args: string[]) =>
  new Promise<{ code: number; errors: string }>(done => {
    execFile(process.execPath, [script, ...args], { cwd: project }, (error, _, errors) => {
      done({ code: error ? Number(error.code) : 0, errors });
    });
  });

/** An npm package that holds no more than its name. */
async function install(name: string, below = project): Promise<string> {
  const folder = join(below, 'node_modules', name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name, version: '4.22.0' }));
  return folder;
}

const onLinux = process.platform === 'linux' ? test.serial : test.serial.skip;

onLinux('a project without tfjs-node is told how to install it', async t => {
  const { code, errors } = await build();
  t.is(code, 1);
  t.regex(
    errors,
    /^build-tfjs-node: no @tensorflow\/tfjs-node in .*npm install --ignore-scripts @tensorflow/,
  );
});

onLinux('a tfjs-node with a tfjs-core of its own is refused: there would be two engines', async t => {
  const tfjsNode = await install('@tensorflow/tfjs-node');
  await install('padezoo');
  await install('@tensorflow/tfjs-core');
  await install('@tensorflow/tfjs-core', tfjsNode);
  const { code, errors } = await build();
  t.is(code, 1);
  t.regex(errors, /tfjs-node uses .*tfjs-node.node_modules.*, but padezoo uses .*npm dedupe/);
  await rm(join(tfjsNode, 'node_modules'), { recursive: true });
});

onLinux('a folder that is not the package tensorflow is refused by the file that it lacks', async t => {
  const { code, errors } = await build('--tensorflow', project);
  t.is(code, 1);
  t.regex(errors, /there is no .*libtensorflow_cc\.so\.2; is this the package tensorflow-cpu\?/);
});
