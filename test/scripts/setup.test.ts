/** The set-up's decisions, on made-up folders: no network, no compiler. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import {
  addonRecordPath,
  buildAddonNow,
  cacheDirectory,
  findAddon,
  loadProblem,
  outdatedDependencies,
  readLibtorch,
  SetupError,
  setup,
  sourceStamp,
  staleOutputs,
} from '#setup';
import { temporaryDirectory, writeSet } from '../support/folders.js';

const linux = process.platform === 'linux' ? test : test.skip;
const suffix = process.platform === 'darwin' ? 'dylib' : 'so';
const triplet = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/** A new folder with these files in it. */
const folderWith = (files: Record<string, string>) => writeSet(files, realpathSync(temporaryDirectory()));

const libraries = (folder: string) => ({
  [`${folder}/libtorch_cpu.${suffix}`]: '',
  [`${folder}/libc10.${suffix}`]: '',
  'include/ATen/ATen.h': '',
});

/** Runs `work` under these environment variables. */
function withEnvironment<T>(variables: Record<string, string | undefined>, work: () => T): T {
  const before = Object.keys(variables).map(name => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(variables)) set(name, value);
  try {
    return work();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}

test('the cache is PADEZOO_CACHE, else below XDG_CACHE_HOME, else in the home folder', t => {
  const home = { HOME: '/home/ada' };
  const xdg = { ...home, XDG_CACHE_HOME: '/caches' };
  t.is(cacheDirectory({ ...xdg, PADEZOO_CACHE: '/mine' }, 'linux'), '/mine');
  t.is(cacheDirectory(xdg, 'linux'), '/caches/padezoo');
  t.is(cacheDirectory(home, 'linux'), '/home/ada/.cache/padezoo');
  t.is(cacheDirectory(home, 'darwin'), '/home/ada/Library/Caches/padezoo');
});

test('a relative XDG_CACHE_HOME is ignored, as its specification asks', t => {
  t.is(cacheDirectory({ HOME: '/home/ada', XDG_CACHE_HOME: 'caches' }, 'linux'), '/home/ada/.cache/padezoo');
});

type Files = Record<string, string>;
const layouts: [name: string, files: Files, version: string, standard: 'c++17' | 'c++20'][] = [
  [
    "the wheel's version.py",
    { ...libraries('lib'), 'version.py': "__version__ = '2.13.0+cpu'" },
    '2.13.0',
    'c++20',
  ],
  ["the archive's build-version", { ...libraries('lib'), 'build-version': '2.4.1+cpu\n' }, '2.4.1', 'c++17'],
  [
    'the header that the archive has',
    {
      ...libraries('lib'),
      'include/torch/csrc/api/include/torch/version.h': '#define TORCH_VERSION \\\n  "2.10.0"\n',
    },
    '2.10.0',
    'c++20',
  ],
  [
    'the header that newer wheels have',
    {
      ...libraries('lib'),
      'include/torch/csrc/api/include/torch/version.h': '#include <torch/headeronly/version.h>\n',
      'include/torch/headeronly/version.h': '#define TORCH_VERSION \\\n  "2.13.0"\n',
    },
    '2.13.0',
    'c++20',
  ],
];

for (const [name, files, version, standard] of layouts) {
  test(`the version of a libtorch is told from ${name}`, t => {
    const root = folderWith(files);
    const libtorch = readLibtorch(root);
    t.is(libtorch.version, version);
    t.is(libtorch.standard, standard);
    t.is(libtorch.lib, join(root, 'lib'));
  });
}

linux("the version of Debian's libtorch is told from its so-name", t => {
  const lib = `lib/${triplet}`;
  const root = folderWith({ ...libraries(lib), [`${lib}/libtorch_cpu.so.1.13`]: '' });
  t.like(readLibtorch(root), { version: '1.13', standard: 'c++17', lib: join(root, lib) });
});

const incomplete: [name: string, files: Files, message: RegExp][] = [
  ['no libtorch_cpu', { 'include/ATen/ATen.h': '' }, /has no lib\/libtorch_cpu/],
  ['no libc10', { [`lib/libtorch_cpu.${suffix}`]: '', 'include/ATen/ATen.h': '' }, /has no libc10/],
  ['no headers', { [`lib/libtorch_cpu.${suffix}`]: '', [`lib/libc10.${suffix}`]: '' }, /has no include/],
  ['no version', libraries('lib'), /cannot tell the version/],
  [
    'a version before 1.13',
    { ...libraries('lib'), 'build-version': '1.9.0' },
    /1\.9\.0; padezoo needs 1\.13/,
  ],
];

for (const [name, files, message] of incomplete) {
  test(`a folder with ${name} is no libtorch`, t => {
    t.throws(() => readLibtorch(folderWith(files)), { instanceOf: SetupError, message });
  });
}

linux('a CUDA build without its companion libraries is recognised', t => {
  const root = folderWith({
    ...libraries('torch/lib'),
    'torch/lib/libtorch_cuda.so': '',
    'torch/lib/libc10_cuda.so': '',
    'torch/include/ATen/ATen.h': '',
    'torch/version.py': "__version__ = '2.13.0+cu130'",
  });
  const libtorch = readLibtorch(join(root, 'torch'));
  t.is(libtorch.version, '2.13.0');
  t.regex(loadProblem(libtorch) ?? '', /a CUDA build without its companion libraries/);
});

test.serial('a wrong PADEZOO_LIBTORCH is an error that names it, and nothing else is tried', t => {
  const given = folderWith({});
  const variables = {
    PADEZOO_CACHE: folderWith({}),
    PADEZOO_LIBTORCH: given,
    PADEZOO_NO_ENGINE: undefined,
  };
  const error = withEnvironment(variables, () => t.throws(buildAddonNow, { instanceOf: SetupError }));
  t.true(
    error.message.startsWith(`libtorch: PADEZOO_LIBTORCH is ${given}, but ${given} has no lib/libtorch_cpu`),
  );
});

test.serial('a missing compiler is an error that says what to install', t => {
  const variables = { PADEZOO_CACHE: folderWith({}), PADEZOO_NO_ENGINE: undefined, CXX: 'no-such-compiler' };
  withEnvironment(variables, () => {
    t.is(findAddon(), undefined);
    t.throws(buildAddonNow, { message: /^addon: there is no no-such-compiler .*Install a C\+\+ compiler/ });
  });
});

test.serial('PADEZOO_NO_ENGINE=1 leaves the engine alone and says so', async t => {
  const lines: string[] = [];
  const before = process.env.PADEZOO_NO_ENGINE;
  process.env.PADEZOO_NO_ENGINE = '1';
  try {
    const result = await setup({
      steps: ['libtorch', 'addon'],
      engine: 'optional',
      log: line => lines.push(line),
    });
    t.is(result.addon, undefined);
    t.is(result.problem?.message, 'addon: switched off by PADEZOO_NO_ENGINE=1');
    t.deepEqual(lines, []);
    t.is(findAddon(), undefined);
  } finally {
    if (before === undefined) delete process.env.PADEZOO_NO_ENGINE;
    else process.env.PADEZOO_NO_ENGINE = before;
  }
});

test.serial('an addon is found while it, the operators and the same libtorch are there', t => {
  const libtorch = folderWith({ ...libraries('lib'), 'build-version': '2.13.0' });
  const root = folderWith({ 'padezoo.node': '', operators: '' });
  const variables = { PADEZOO_CACHE: join(root, 'cache'), PADEZOO_NO_ENGINE: undefined };
  withEnvironment(variables, () => {
    t.is(findAddon(), undefined, 'an empty cache');
    const record = {
      addon: join(root, 'padezoo.node'),
      operators: join(root, 'operators'),
      libtorch: { path: libtorch, version: '2.13.0', from: 'pip' },
      compiler: 'g++ 12',
      built: '2026-01-01T00:00:00.000Z',
    };
    const write = (text: string) => {
      mkdirSync(dirname(addonRecordPath()), { recursive: true });
      writeFileSync(addonRecordPath(), text);
    };
    write(JSON.stringify(record));
    t.deepEqual(findAddon(), record);
    write(JSON.stringify({ ...record, addon: join(root, 'gone.node') }));
    t.is(findAddon(), undefined, 'no addon');
    write(JSON.stringify({ ...record, operators: join(root, 'gone.so') }));
    t.is(findAddon(), undefined, 'no operators');
    write(JSON.stringify({ ...record, libtorch: { ...record.libtorch, path: join(root, 'gone') } }));
    t.is(findAddon(), undefined, 'no libtorch');
    write(JSON.stringify({ ...record, libtorch: { ...record.libtorch, version: '2.12.0' } }));
    t.is(findAddon(), undefined, 'a libtorch that was upgraded in place');
    write('{ "addon": ');
    t.is(findAddon(), undefined, 'a broken record');
  });
});

/** A checkout as far as the stamps look at it. */
const checkout = (sources: Record<string, string>) =>
  folderWith({ 'tsconfig.json': '{ "include": ["src", "zoo"] }', 'package.json': '{}', ...sources });

test('the source stamp changes when a source is edited, added, renamed or removed, and only then', t => {
  const sources = { 'src/a.ts': 'export {};', 'zoo/b.ts': 'export {};' };
  const stamp = sourceStamp(checkout(sources));
  t.is(sourceStamp(checkout(sources)), stamp);
  t.is(sourceStamp(checkout({ ...sources, 'src/notes.md': 'not compiled', 'demo/c.ts': '' })), stamp);
  const edits: Files[] = [
    { ...sources, 'src/a.ts': 'export { };' },
    { ...sources, 'src/c.ts': '' },
    { 'src/a.ts': 'export {};', 'zoo/c.ts': 'export {};' },
    { 'src/a.ts': 'export {};' },
    { ...sources, 'tsconfig.json': '{ "include": ["src", "zoo"], "compilerOptions": {} }' },
  ];
  const stamps = edits.map(files => sourceStamp(checkout(files)));
  t.is(new Set([stamp, ...stamps]).size, 6);
});

test('outputs whose source is gone are stale, whatever else lies in dist', t => {
  const root = checkout({
    'src/a.ts': '',
    'src/m.mts': '',
    'dist/src/a.js': '',
    'dist/src/a.d.ts': '',
    'dist/src/m.mjs': '',
    'dist/src/gone.js': '',
    'dist/src/gone.d.ts': '',
    'dist/zoo/deep/gone.js.map': '',
    'dist/src/data.json': '',
    'dist/bundle/page.js': '',
  });
  const gone = ['dist/src/gone.d.ts', 'dist/src/gone.js', 'dist/zoo/deep/gone.js.map'];
  t.deepEqual(
    staleOutputs(root).sort(),
    gone.map(name => join(root, name)),
  );
});

const locked = (version: string, extra = {}) => ({
  '': { dependencies: { a: '^1.0.0' } },
  'node_modules/a': { version, integrity: `sha512-${version}` },
  ...extra,
});

/** A folder in which package-lock.json asks for `wanted` and npm says that it installed `installed`. */
function dependencies(wanted: object, installed?: object): string {
  return folderWith({
    'package.json': '{ "dependencies": { "a": "^1.0.0" } }',
    'package-lock.json': JSON.stringify({ packages: wanted }),
    ...(installed && { 'node_modules/.package-lock.json': JSON.stringify({ packages: installed }) }),
  });
}

test('dependencies are up to date when npm has installed what the lock file asks for', t => {
  t.is(outdatedDependencies(dependencies(locked('1.0.0'), locked('1.0.0'))), undefined);
});

test('an optional package of another platform need not be installed', t => {
  const other = { 'node_modules/b': { version: '1.0.0', optional: true } };
  t.is(outdatedDependencies(dependencies(locked('1.0.0', other), locked('1.0.0'))), undefined);
});

test('dependencies are out of date before an install, after a new lock file, and when package.json differs', t => {
  t.is(outdatedDependencies(dependencies(locked('1.0.0'))), 'nothing is installed yet');
  t.is(outdatedDependencies(dependencies(locked('1.0.1'), locked('1.0.0'))), 'a 1.0.1 is not installed');
  const other = { '': { dependencies: { a: '^2.0.0' } } };
  t.regex(
    outdatedDependencies(dependencies(locked('1.0.0', other), locked('1.0.0'))) ?? '',
    /package.json .* differ/,
  );
});
