import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { sha256 } from '#files';
import { unpackArchive } from '../../src/publish/archive/unpack.js';
import { checkContents } from '../../src/publish/contents.js';
import { formatSums } from '../../src/publish/digests.js';
import {
  BundleError,
  CorruptBundleError,
  ManifestError,
  NewerFormatError,
  NotABundleError,
  UnsafeBundleError,
} from '../../src/publish/errors.js';
import { parseLayersFiles } from '../../src/publish/layersModel.js';
import { type Bytes, type Manifest, parseManifest } from '../../src/publish/manifest.js';
import { loadBundle, readBundle } from '../../src/publish/readBundle.js';
import { verifyBundle } from '../../src/publish/verifyBundle.js';
import { changed, packed, smallBundle, temporaryFolder, textOf, utf8 } from './fixtures.js';

const files = await smallBundle();

function flipped(bytes: Bytes, at: number, mask: number): Bytes {
  const copy = bytes.slice();
  copy[at]! ^= mask;
  return copy;
}

/** The bundle with another manifest or model.json and digests that agree with it, as an attacker would make it. */
async function forged(edits: Record<string, string>): Promise<Map<string, Bytes>> {
  const result = new Map(files);
  for (const [path, text] of Object.entries(edits)) result.set(path, utf8(text));
  if (!('padezoo.json' in edits)) {
    const manifest = JSON.parse(textOf(files.get('padezoo.json')));
    for (const entry of manifest.files) {
      const bytes = result.get(entry.path)!;
      Object.assign(entry, { bytes: bytes.byteLength, sha256: await sha256(bytes) });
    }
    result.set('padezoo.json', utf8(JSON.stringify(manifest)));
  }
  const digests = new Map<string, string>();
  for (const [path, bytes] of result) if (path !== 'SHA256SUMS') digests.set(path, await sha256(bytes));
  return result.set('SHA256SUMS', formatSums(digests));
}

async function writeFolder(folder: string, contents: ReadonlyMap<string, Bytes>): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  for (const [path, bytes] of contents) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  return folder;
}

for (const path of files.keys()) {
  test(`a flipped byte in ${path} is found and named`, async t => {
    const bytes = files.get(path)!;
    const step = Math.max(1, Math.floor(bytes.length / 400));
    const positions = [...Array(bytes.length).keys()].filter(i => i % step === 0 || i === bytes.length - 1);
    for (const at of positions) {
      for (const mask of [0x01, 0x20, 0xff]) {
        const { problems } = await checkContents('x', changed(files, path, flipped(bytes, at, mask)));
        if (problems[0]?.file !== path) t.fail(`byte ${at} ^ ${mask}: ${problems[0]?.message}`);
      }
    }
    t.pass();
  });

  test(`a flipped byte in ${path} is found in a folder and in an archive`, async t => {
    const folder = await temporaryFolder(t);
    const bytes = files.get(path)!;
    for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
      const damaged = changed(files, path, flipped(bytes, at, 0x10));
      await writeFile(join(folder, 'a.tar.gz'), await packed(damaged));
      for (const bundle of [await writeFolder(join(folder, 'a'), damaged), join(folder, 'a.tar.gz')]) {
        for (const read of [readBundle, loadBundle]) {
          const error = await t.throwsAsync(read(bundle), { instanceOf: CorruptBundleError });
          t.is(error?.file, path);
          t.true(error?.message.includes(bundle));
        }
        const { ok, problems } = await verifyBundle(bundle);
        t.false(ok);
        t.deepEqual([...new Set(problems.map(problem => problem.file))], [path]);
      }
    }
  });

  test(`${path} missing, cut short or longer is found and named`, async t => {
    const bytes = files.get(path)!;
    const without = new Map(files);
    without.delete(path);
    const longer = new Uint8Array([...bytes, 10]);
    for (const damaged of [
      without,
      ...[bytes.slice(0, -1), bytes.slice(0, 0), longer].map(b => changed(files, path, b)),
    ]) {
      const { problems } = await checkContents('x', damaged);
      t.is(problems[0]?.file, path);
    }
  });
}

test('verify collects every problem', async t => {
  const damaged = changed(files, 'README.md', utf8('other')).set('notes.txt', utf8('mine'));
  damaged.delete('layers/weights.bin');
  const { problems, manifest } = await checkContents('x', damaged);
  t.deepEqual(problems.map(problem => problem.file).sort(), ['README.md', 'layers/weights.bin', 'notes.txt']);
  t.is(manifest?.architecture.name, 'small');
});

test('with a damaged manifest, SHA256SUMS still tells which other file is damaged', async t => {
  const damaged = changed(files, 'padezoo.json', utf8('{}')).set('README.md', utf8('other'));
  const { problems } = await checkContents('x', damaged);
  t.deepEqual(
    problems.map(problem => problem.file),
    ['padezoo.json', 'README.md'],
  );
});

test('a file that the manifest does not list is an error', async t => {
  const folder = await writeFolder(
    join(await temporaryFolder(t), 'a'),
    changed(files, 'layers/extra.js', utf8('1')),
  );
  const error = await t.throwsAsync(readBundle(folder), { instanceOf: CorruptBundleError });
  t.is(error?.file, 'layers/extra.js');
});

test('a bit flipped anywhere in an archive is found', async t => {
  const archive = await packed(files);
  for (let at = 0; at < archive.length; at++) {
    for (const mask of [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff]) {
      try {
        await unpackArchive('a.tar.gz', flipped(archive, at, mask));
        t.fail(`byte ${at} ^ ${mask}`);
      } catch (error) {
        if (!(error instanceof UnsafeBundleError)) throw error;
      }
    }
  }
  t.pass();
});

test('an archive that is cut short, or has something after its end, is refused', async t => {
  const archive = await packed(files);
  for (const length of [
    0,
    1,
    5,
    11,
    12,
    13,
    100,
    archive.length - 9,
    archive.length - 8,
    archive.length - 1,
  ]) {
    await t.throwsAsync(
      unpackArchive('a', archive.slice(0, length)),
      { instanceOf: UnsafeBundleError },
      `${length}`,
    );
  }
  for (const junk of [[0], [0, 0, 0, 0], [7], [0x1f, 0x8b], [...archive]]) {
    const longer = new Uint8Array([...archive, ...junk]);
    await t.throwsAsync(
      unpackArchive('a', longer),
      { instanceOf: UnsafeBundleError },
      `${junk.length} bytes`,
    );
  }
});

test('a path that does not exist, an empty folder and a file of another kind are not bundles', async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'text'), 'hello');
  for (const path of [join(folder, 'absent'), folder, join(folder, 'text')]) {
    if (path === folder) await rm(join(folder, 'text'), { force: true });
    await t.throwsAsync(readBundle(path), { instanceOf: NotABundleError });
    t.false((await verifyBundle(path)).ok);
    await writeFile(join(folder, 'text'), 'hello');
  }
});

test('a link in a folder is refused', async t => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'outside'), files.get('README.md')!);
  const bundle = await writeFolder(join(folder, 'a'), files);
  await rm(join(bundle, 'README.md'));
  await symlink(join(folder, 'outside'), join(bundle, 'README.md'));
  const error = await t.throwsAsync(readBundle(bundle), { instanceOf: UnsafeBundleError });
  t.is(error?.file, 'README.md');
});

test('a newer format says to upgrade', async t => {
  const text = textOf(files.get('padezoo.json')).replace(
    '"formatVersion": 1',
    '"formatVersion": 2, "novel": true',
  );
  const { problems } = await checkContents('x', await forged({ 'padezoo.json': text }));
  t.true(problems[0] instanceof NewerFormatError);
  t.is((problems[0] as NewerFormatError).formatVersion, 2);
  t.regex(problems[0]!.message, /upgrade padezoo/);
  const edited = await checkContents('x', changed(files, 'padezoo.json', utf8(text)));
  t.true(edited.problems[0] instanceof CorruptBundleError);
  t.regex(edited.problems[0]!.message, /upgrade padezoo/);
});

const manifestText = textOf(files.get('padezoo.json'));
const forgedManifests: [string, string, (manifest: Manifest) => unknown][] = [
  ['a missing field', 'metrics.macs', m => Reflect.deleteProperty(m.metrics, 'macs')],
  ['a wrong type', 'seed', m => Object.assign(m, { seed: '7' })],
  ['an unknown field', '', m => Object.assign(m, { extra: 1 })],
  ['an unknown field inside', 'architecture', m => Object.assign(m.architecture, { extra: 1 })],
  ['another format', 'format', m => Object.assign(m, { format: 'other' })],
  ['version 0', 'formatVersion', m => Object.assign(m, { formatVersion: 0 })],
  ['a negative index', 'pruning[0].kept.left[0]', m => Object.assign(m.pruning[0]!.kept, { left: [-1] })],
  [
    'an index beyond the width',
    'pruning[0].kept.left',
    m => Object.assign(m.pruning[0]!.kept, { left: [4] }),
  ],
  ['no width for a layer', 'pruning[0].kept.left', m => Reflect.deleteProperty(m.pruning[0]!.widths, 'left')],
  ['a path that escapes', 'files[0].path', m => Object.assign(m.files[0]!, { path: '../../etc/passwd' })],
  ['an absolute path', 'files[0].path', m => Object.assign(m.files[0]!, { path: '/etc/passwd' })],
  ['a Windows path', 'files[0].path', m => Object.assign(m.files[0]!, { path: 'C:\\x' })],
  ['a hidden path', 'files[0].path', m => Object.assign(m.files[0]!, { path: 'layers/.x' })],
  ['an endless path', 'files[0].path', m => Object.assign(m.files[0]!, { path: 'a'.repeat(1e5) })],
  ['a file listed twice', 'files[4].path', m => m.files.push({ ...m.files[0]!, path: 'LAYERS/model.json' })],
  ['itself in its list', 'files[4].path', m => m.files.push({ ...m.files[0]!, path: 'padezoo.json' })],
  ['no weights in its list', 'files', m => m.files.splice(1, 1)],
  ['an absurd size', 'files[1].bytes', m => Object.assign(m.files[1]!, { bytes: 1e15 })],
  ['a size beyond numbers', 'files[1].bytes', m => Object.assign(m.files[1]!, { bytes: 1e300 })],
  ['a short digest', 'files[1].sha256', m => Object.assign(m.files[1]!, { sha256: 'ab' })],
  ['a date that is none', 'created', m => Object.assign(m, { created: 'yesterday' })],
  ['an accuracy in percent', 'metrics.testAccuracy', m => Object.assign(m.metrics, { testAccuracy: 87.5 })],
];
for (const [what, field, edit] of forgedManifests) {
  test(`a manifest with ${what} is refused by field`, async t => {
    const manifest = JSON.parse(manifestText);
    edit(manifest);
    const { problems } = await checkContents('x', await forged({ 'padezoo.json': JSON.stringify(manifest) }));
    t.true(problems[0] instanceof ManifestError);
    t.is(problems[0]!.file, 'padezoo.json');
    t.is((problems[0] as ManifestError).field, field);
  });
}

for (const [what, text] of [
  ['nothing', ''],
  ['half of it', manifestText.slice(0, manifestText.length >> 1)],
  ['null', 'null'],
  ['a list', '[]'],
  ['a key __proto__', manifestText.replace('"width"', '"__proto__"')],
  ['a deep nest', `${'['.repeat(1e5)}${']'.repeat(1e5)}`],
  ['a byte order mark', `\uFEFF${manifestText}`],
] as const) {
  test(`a manifest of ${what} is refused`, async t => {
    const { problems } = await checkContents('x', await forged({ 'padezoo.json': text }));
    t.true(problems[0] instanceof ManifestError, problems[0]?.message);
    t.is(({} as Record<string, unknown>).polluted, undefined);
  });
}

const modelText = textOf(files.get('layers/model.json'));
const forgedModels: [string, string, string | RegExp, string][] = [
  ['a weight there twice', 'weightsManifest[0].weights[3].name', '"right/bias"', '"right/kernel"'],
  ['a dtype that is none', 'weightsManifest[0].weights[9].dtype', '"dtype":"float32"}', '"dtype":"string"}'],
  ['a negative length', 'weightsManifest[0].weights[7].shape[0]', '"shape":[3]', '"shape":[-3]'],
  ['a length that is text', 'weightsManifest[0].weights[7].shape[0]', '"shape":[3]', '"shape":["3"]'],
  [
    'a weight __proto__',
    'weightsManifest[0].weights[7].name',
    '"name":"classify/bias"',
    '"name":"__proto__"',
  ],
  ['a shard elsewhere', 'weightsManifest[0].paths', '"weights.bin"', '"../../weights.bin"'],
  [
    'shards in another order',
    'weightsManifest[0].paths',
    '"weights.bin"',
    '"group1-shard2of2.bin","group1-shard1of2.bin"',
  ],
  ['another format', 'format', '"layers-model"', '"graph-model"'],
  ['a layer that waits for ever', 'modelTopology', '["left",0,0', '["lost",0,0'],
  ['a call that is never made', 'modelTopology', '["left",0,0', '["left",5,0'],
  ['a circle', 'modelTopology', /\["image",0,0/, '["classify",0,0'],
  ['two layers of one name', 'modelTopology', /"right"/g, '"left"'],
  [
    'an output that is not there',
    'modelTopology',
    /"output_layers":\[\["classify"/,
    '"output_layers":[["lost"',
  ],
];
for (const [what, field, from, to] of forgedModels) {
  test(`model.json with ${what} is refused by field`, async t => {
    // The last match, because names come first in the topology and last in the list of weights.
    const at = typeof from === 'string' ? modelText.lastIndexOf(from) : -1;
    const text =
      typeof from === 'string'
        ? modelText.slice(0, at) + to + modelText.slice(at + from.length)
        : modelText.replace(from, to);
    t.not(text, modelText);
    const { problems } = await checkContents('x', await forged({ 'layers/model.json': text }));
    t.true(problems[0] instanceof ManifestError, problems[0]?.message);
    t.is(problems[0]!.file, 'layers/model.json');
    t.is((problems[0] as ManifestError).field, field);
  });
}

test('weights.bin of another size than the shapes say is refused, however large the shapes', async t => {
  for (const shape of ['[32,4]', '[0]', '[9007199254740991,9007199254740991]', '[2147483648,2147483648,1]']) {
    const text = modelText.replace('"shape":[32,3]', `"shape":${shape}`);
    t.not(text, modelText);
    const { problems } = await checkContents('x', await forged({ 'layers/model.json': text }));
    t.is(problems[0]?.file, 'layers/weights.bin');
  }
});

/** JSON with one place replaced, removed or repeated, or one byte of its text changed. */
const mutation = fc.record({
  place: fc.nat(),
  value: fc.json({ maxDepth: 3 }),
  kind: fc.constantFrom('set', 'remove', 'key', 'text'),
});
function mutate(
  text: string,
  { place, value, kind }: { place: number; value: string; kind: string },
): string {
  if (kind === 'text') {
    const at = place % text.length;
    return text.slice(0, at) + value + text.slice(at + 1 + (place % 7));
  }
  const root = JSON.parse(text);
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown) => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, child] of Object.entries(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk(child);
    }
  };
  walk(root);
  const [node, key] = places[place % places.length]!;
  if (kind === 'set') node[key] = JSON.parse(value);
  if (kind === 'remove') delete node[key];
  if (kind === 'key')
    Object.defineProperty(node, '__proto__', { value: JSON.parse(value), enumerable: true });
  return JSON.stringify(root);
}

for (const [file, text, parse] of [
  ['padezoo.json', manifestText, (bytes: Bytes) => parseManifest('x', bytes)],
  [
    'layers/model.json',
    modelText,
    (bytes: Bytes) => parseLayersFiles('x', changed(files, 'layers/model.json', bytes)),
  ],
] as const) {
  test(`a mutated ${file} is accepted or a BundleError, never anything else`, t => {
    t.notThrows(() =>
      fc.assert(
        fc.property(mutation, m => {
          try {
            parse(utf8(mutate(text, m)));
          } catch (error) {
            if (!(error instanceof BundleError)) throw error;
          }
        }),
        { numRuns: 3000 },
      ),
    );
    t.is(Object.keys(Object.prototype).length, 0);
  });
}
