import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { hasTorch, torchTest } from '../support/engine.js';

const run = promisify(execFile);
const root = resolve(fileURLToPath(import.meta.url), '../../../..');

interface Pack {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const folder = await mkdtemp(join(tmpdir(), 'padezoo-package-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

/** dist is compiled already, by the set-up that every test run starts with. */
const pack = async (...options: string[]) => {
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', ...options], { cwd: root });
  const parsed = JSON.parse(stdout) as Pack[] | Record<string, Pack>;
  return Object.values(parsed)[0] as Pack; // npm 11 keys it by name, older ones list it
};

/** What belongs into the package; everything else is too much. */
const BELONGS = [
  /^(package\.json|README\.md|LICENSE)$/,
  /^dist\/(src|zoo|pruning|datasets|demo)\/.*\.(js|d\.ts)$/,
  /^datasets\/embedded\/fashion-mnist\/(README\.md|LICENSE|(train|t10k)-(images-idx3|labels-idx1)-ubyte\.gz)$/,
  /^native\/(addon|cuda|images|operators)\/[a-z0-9_]+\.(cpp|h)$/,
  /^native\/\w+_cuda\.cu$/,
  /^scripts\/(setup\.(mjs|d\.mts)|setup\/[A-Za-z]+\.mjs|cuda\.mjs|build-tfjs-node\.mjs|load_graph\.py)$/,
];
const NEEDED = [
  'dist/src/index.js',
  'dist/src/index.d.ts',
  'dist/src/cli/main.js',
  'dist/demo/page.js',
  'scripts/load_graph.py',
  'native/pade_cuda.cu',
  'native/batch_norm_cuda.cu',
  'native/addon/addon.cpp',
  'native/images/addon.cpp',
  'native/operators/pade.cpp',
  'scripts/setup/engineAddon.mjs',
  'scripts/setup.mjs',
  'datasets/embedded/fashion-mnist/train-images-idx3-ubyte.gz',
  'datasets/embedded/fashion-mnist/LICENSE',
  'LICENSE',
];

test.serial('the package holds what is needed and no more', async t => {
  const paths = (await pack('--dry-run')).files.map(({ path }) => path);
  t.deepEqual(
    paths.filter(path => !BELONGS.some(pattern => pattern.test(path))),
    [],
  );
  t.deepEqual(
    NEEDED.filter(path => !paths.includes(path)),
    [],
  );
});

/** The first TypeScript block of the README. */
async function readmeExample(): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  return readme.match(/```ts\n([\s\S]*?)```/)![1]!;
}

test.serial("installed from its tarball, its types accept the README's example", async t => {
  t.timeout(300_000, 'npm installs the dependencies');
  const { filename } = await pack('--pack-destination', folder);
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'user', private: true, type: 'module' }),
  );
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${filename}`], {
    cwd: folder,
  });
  await writeFile(join(folder, 'example.ts'), await readmeExample());
  await copyFile(join(root, 'test/package/user-tsconfig.json'), join(folder, 'tsconfig.json'));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await t.notThrowsAsync(
    run(process.execPath, [tsc, '-p', '.', '--typeRoots', join(root, 'node_modules/@types')], {
      cwd: folder,
    }),
  );
});

torchTest("installed from its tarball, the README's example runs as it stands", async t => {
  t.timeout(300_000, 'it trains four small networks');
  const { stdout } = await run(process.execPath, ['example.js'], { cwd: folder });
  for (const percent of [10, 20, 30])
    t.regex(stdout, new RegExp(`^${percent} \\d+ \\{ testAccuracy: 0\\.\\d+`, 'm'));
});

test.serial('installed, the command line answers', async t => {
  const { stdout } = await run('npx', ['--no', 'padezoo', 'verify', 'nothing-here', '--json'], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error);
  t.is(JSON.parse(stdout).ok, false);
  if (hasTorch)
    t.regex((await run('npx', ['--no', 'padezoo', 'setup'], { cwd: folder })).stdout, /engine: torch/);
});

test.serial(
  'package-lock.json is what npm makes of package.json, so that a set-up that is done stays done',
  async t => {
    const [manifest, lock] = await Promise.all(
      ['package.json', 'package-lock.json'].map(async name =>
        JSON.parse(await readFile(join(root, name), 'utf8')),
      ),
    );
    const { dependencies, devDependencies } = lock.packages[''];
    t.deepEqual(
      { dependencies, devDependencies },
      {
        dependencies: manifest.dependencies,
        devDependencies: manifest.devDependencies,
      },
    );
  },
);

test.serial('the package imports itself by name in a checkout', async t => {
  const names = 'tf engine zoo pau pade prune train publish load datasets'.split(' ');
  const code = `import * as all from 'padezoo'; process.stdout.write(JSON.stringify(${JSON.stringify(names)}.filter(n => !all[n])))`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: root });
  t.is(stdout, '[]');
});
