#!/usr/bin/env node
/**
 * Packs what a GPU machine without internet needs into one archive: compiled JavaScript, sources, the npm packages that run,
 * and Node. There, one command builds, tests and measures:
 *
 *   npm run pack:gpu -- [--output padezoo-gpu.tar.gz]
 *   tar xzf padezoo-gpu.tar.gz && padezoo-gpu/run.sh            # on the GPU machine; results in padezoo-gpu/results/
 *
 * That machine has to have a Python with a CUDA torch, nvcc and g++.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** What the benchmarks and the tests of the engine need of a checkout. */
const TAKEN = [
  'dist',
  'native',
  'scripts',
  'test',
  'datasets/embedded',
  'package.json',
  'package-lock.json',
  'LICENSE',
];
/** The tests that mean something on a GPU machine, and need no browser and no internet. */
const TESTS = [
  'native/padeCuda',
  'native/batchNormCuda',
  'native/depthwiseCuda',
  'engines/fusion',
  'engines/ownConvolution',
  'engines/device',
  'engines/cuda',
  'ops/pade',
  'ops/padeSets',
  'ops/batchNorm',
];

const RUN = `#!/bin/sh
# Builds the engine, tests it and measures it on this machine's GPU. Results: results/ beside this file.
set -u
cd "$(dirname "$0")"
export PADEZOO_CACHE="$PWD/cache" PADEZOO_NO_APT=1 PADEZOO_COMMIT="$(cat commit)"
export PADEZOO_PYTHON="\${PADEZOO_PYTHON:-python3}" PATH="$PWD/node/bin:$PATH"
results="\${OUT:-$PWD/results}"
mkdir -p "$results"
failed=0
step() {
  name=$1
  shift
  echo "== $name"
  if "$@" >"$results/$name.log" 2>&1; then echo "   done"; else
    failed=1
    echo "   FAILED; the end of $results/$name.log:"
    tail -n 20 "$results/$name.log"
    return 1
  fi
}
# The Python's own torch, whichever Python that is.
PADEZOO_LIBTORCH="\${PADEZOO_LIBTORCH:-$("$PADEZOO_PYTHON" -c 'import torch, os; print(os.path.dirname(torch.__file__))')}"
export PADEZOO_LIBTORCH
if [ -z "$PADEZOO_LIBTORCH" ]; then
  echo "$PADEZOO_PYTHON has no torch; set PADEZOO_PYTHON to a Python that has one with CUDA"
  exit 1
fi
nvidia-smi >"$results/nvidia-smi.log" 2>&1
step build node scripts/setup.mjs --only engine || exit 1
step tests node node_modules/ava/entrypoints/cli.mjs TESTS_HERE
step device "$PADEZOO_PYTHON" -c 'import torch; torch.cuda.init(); print(torch.cuda.get_device_name())' || {
  echo "Without a GPU that this Python's torch can use, nothing more can be run."
  exit 1
}
step sanitizer sh -c 'command -v compute-sanitizer >/dev/null || { echo "no compute-sanitizer here"; exit 0; }; compute-sanitizer --error-exitcode 9 "$PADEZOO_PYTHON" scripts/check-cuda.py "$(node scripts/operators-path.mjs)"'
step bench node scripts/bench-cuda.mjs --output "$results"
exit $failed
`;

const { values: options } = parseArgs({
  options: { output: { type: 'string', default: 'padezoo-gpu.tar.gz' } },
});
if (!existsSync(join(ROOT, 'dist/src/index.js')))
  throw new Error('pack-gpu: dist/ is not compiled; run `npm run setup -- --only compile` first');

const folder = mkdtempSync(join(tmpdir(), 'padezoo-pack-'));
const target = join(folder, 'padezoo-gpu');
try {
  mkdirSync(join(target, 'node/bin'), { recursive: true });
  for (const path of TAKEN)
    if (existsSync(join(ROOT, path))) cpSync(join(ROOT, path), join(target, path), { recursive: true });
  copyPackages();
  cpSync(realpathSync(process.execPath), join(target, 'node/bin/node'));
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
  const changed = execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' });
  writeFileSync(join(target, 'commit'), changed ? `${commit.trim()} with changes\n` : commit);
  const tests = TESTS.map(name => `dist/test/${name}.test.js`).filter(name => existsSync(join(ROOT, name)));
  writeFileSync(join(target, 'run.sh'), RUN.replace('TESTS_HERE', tests.join(' ')), { mode: 0o755 });
  const output = resolve(options.output);
  execFileSync('tar', ['czf', output, '-C', folder, 'padezoo-gpu']);
  console.log(`${output}: ${(statSync(output).size / 2 ** 20).toFixed(0)} MiB, commit ${commit.trim()}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The npm packages that run or test it, as the lock file lists them: without those for development alone, but with ava. */
function copyPackages() {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const wanted = new Set(Object.keys(packages).filter(path => path && !packages[path].dev));
  const queue = ['node_modules/ava'];
  for (let path = queue.pop(); path; path = queue.pop()) {
    if (wanted.has(path)) continue;
    wanted.add(path);
    for (const name of Object.keys(packages[path]?.dependencies ?? {})) {
      const nested = `${path}/node_modules/${name}`;
      queue.push(packages[nested] ? nested : `node_modules/${name}`);
    }
  }
  for (const path of wanted)
    if (existsSync(join(ROOT, path)))
      cpSync(join(ROOT, path), join(target, path), { recursive: true, verbatimSymlinks: true });
}
