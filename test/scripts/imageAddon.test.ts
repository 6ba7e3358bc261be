/** The image addon's set-up: what it finds, says and builds with and without libjpeg-turbo, and that data sets follow. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { buildImageAddon, findImageAddon, SetupError, setup } from '#setup';
import { temporaryDirectory } from '../support/folders.js';

const hasCompiler = (() => {
  try {
    execFileSync(process.env.CXX ?? (process.platform === 'darwin' ? 'clang++' : 'g++'), ['--version']);
    return true;
  } catch {
    return false;
  }
})();
const compilerTest = hasCompiler ? test.serial : test.serial.skip;

/** Whatever the tests are run under. */
const USUAL = { PADEZOO_NO_ENGINE: '', PADEZOO_NO_APT: '' };

/** Runs `work` under these environment variables. */
async function within<T>(variables: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const before = process.env;
  process.env = { ...before, ...USUAL, ...variables };
  try {
    return await work();
  } finally {
    process.env = before;
  }
}

/** What a process under these variables says of the decoders: 'native' or its error, and whether 'auto' sees the image. */
function decoders(variables: Record<string, string>): string[] {
  const program = `
    import sharp from 'sharp';
    import { imageAddon, requireDecoder } from './dist/datasets/images/addon.js';
    import { decodeInto } from './dist/datasets/images/decode.js';
    const jpeg = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#ffffff' } }).jpeg().toBuffer();
    const box = { x: 0, y: 0, width: 8, height: 8 };
    const out = new Uint8Array(192);
    const view = () => ({ crop: box, size: box, window: box, mirror: 'none', filter: 'bilinear' });
    await decodeInto(jpeg, { orientation: 'ignore', decoder: 'auto' }, view, out);
    let native = 'native';
    try { requireDecoder('native', 'test'); } catch (error) { native = error.name + ': ' + error.message; }
    console.log(JSON.stringify([String(imageAddon()?.jpeg), native, String(out.every(value => value === 255))]));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ...USUAL, ...variables },
    encoding: 'utf8',
  });
  return JSON.parse(output) as string[];
}

compilerTest(
  'PADEZOO_NO_JPEG=1 builds an addon without libjpeg-turbo, and data sets decode by sharp',
  async t => {
    const variables = { PADEZOO_CACHE: temporaryDirectory(), PADEZOO_NO_JPEG: '1' };
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const { changed, record } = await within(variables, () => buildImageAddon(log));
    t.true(changed && existsSync(record.addon));
    t.is(record.jpeg, null);
    t.deepEqual(lines, [
      'JPEG: libjpeg-turbo is switched off by PADEZOO_NO_JPEG=1: sharp decodes, at about half the speed',
    ]);
    await within(variables, async () => {
      t.deepEqual(findImageAddon(), record);
      t.false((await buildImageAddon(log)).changed);
    });
    await within({ ...variables, PADEZOO_NO_ENGINE: '1' }, async () => t.is(findImageAddon(), undefined));
    t.deepEqual(decoders({ ...variables, PADEZOO_NO_ENGINE: '1' }), [
      'undefined',
      'OptionsError: test: there is no native decoder: it is switched off by PADEZOO_NO_ENGINE=1',
      'true',
    ]);
    const none = temporaryDirectory();
    await within({ ...variables, PATH: none }, async () => {
      t.false((await buildImageAddon(log)).changed, 'what is built needs no compiler');
    });
    const [jpeg, native, white] = decoders(variables);
    t.is(jpeg, 'null');
    t.regex(
      native!,
      /^OptionsError: test: there is no native decoder: it was built without libjpeg-turbo; install/,
    );
    t.is(white, 'true');
  },
);

compilerTest('a libjpeg that is not libjpeg-turbo is left alone', async t => {
  const headers = temporaryDirectory();
  writeFileSync(join(headers, 'jpeglib.h'), '#define JPEG_LIB_VERSION 90\n');
  const lines: string[] = [];
  const { record } = await within({ PADEZOO_CACHE: temporaryDirectory(), CPATH: headers }, () =>
    buildImageAddon(line => lines.push(line)),
  );
  t.is(record.jpeg, null);
  t.regex(lines.join(), /not libjpeg-turbo 2\.1 or newer: sharp decodes/);
});

const rootTest = hasCompiler && process.platform === 'linux' && process.getuid?.() === 0;
(rootTest ? test.serial : test.serial.skip)(
  'needs root: a missing compiler is installed with apt-get, as for the engine',
  async t => {
    const path = temporaryDirectory();
    const program = (name: string, text: string) =>
      writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const compiler = execFileSync('sh', ['-c', 'command -v g++'], { encoding: 'utf8' }).trim();
    program('apt-cache', 'echo "  Candidate: 12"');
    program(
      'apt-get',
      `echo "$@" >> '${path}/asked'; PATH='${process.env.PATH}'
      printf '#!/bin/sh\\nPATH="%s" exec ${compiler} "$@"\\n' "$PATH" > '${path}/g++'; chmod +x '${path}/g++'`,
    );
    const variables = { PADEZOO_CACHE: temporaryDirectory(), PATH: path, PADEZOO_NO_JPEG: '1', CXX: '' };
    const lines: string[] = [];
    await within(variables, () => buildImageAddon(line => lines.push(line)));
    t.is(lines[0], 'installing g++ with apt-get, as root (PADEZOO_NO_APT=1 forbids it)');
    t.is(readFileSync(join(path, 'asked'), 'utf8'), 'install -y --no-install-recommends g++\n');
  },
);

test.serial(
  'without a compiler the step says so and the set-up goes on; images are still decoded',
  async t => {
    const variables = { PADEZOO_CACHE: temporaryDirectory(), CXX: 'no-such-compiler' };
    await within(variables, () =>
      t.throwsAsync(
        buildImageAddon(() => {}),
        { instanceOf: SetupError },
      ),
    );
    const lines: string[] = [];
    await within(variables, () => setup({ steps: ['images'], log: line => lines.push(line) }));
    t.regex(
      lines.join(),
      /images: there is no no-such-compiler \(CXX names it\)\. Install a C\+\+ compiler.*\nimages are decoded by sharp and resized in TypeScript/s,
    );
    t.deepEqual(decoders(variables), [
      'undefined',
      'OptionsError: test: there is no native decoder: the set-up has not built the image addon; run npx padezoo setup',
      'true',
    ]);
  },
);
