/** Checkpoints that come from elsewhere: a package, a URL, the hub. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { BundleError, load, publish, verify } from '../../src/index.js';
import { npmLicence } from '../../src/publish/npmPackage.js';
import { readFolder } from '../../src/publish/readFolder.js';
import '../support/engine.js';
import { temporaryFolder, textOf } from './fixtures.js';
import { knowingLenet, publishedLenet } from './published.js';
import { serve } from './server.js';

const run = promisify(execFile);
const root = resolve(fileURLToPath(import.meta.url), '../../../..');

test.serial('a package holds the network: import model from its name', async t => {
  const folder = await temporaryFolder(t);
  const { model, npmPackage } = await publishedLenet(folder, {
    archive: 'none',
    npm: '@me/lenet',
    licence: 'apache-2.0',
  });
  model.dispose();
  const modules = join(folder, 'user/node_modules');
  await mkdir(join(modules, '@me'), { recursive: true });
  await symlink(npmPackage!, join(modules, '@me/lenet'));
  await symlink(root, join(modules, 'padezoo'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/padezoo'));
  await writeFile(
    join(folder, 'user/program.mjs'),
    "import model from '@me/lenet'; console.log(model.name, model.outputs[0].shape.join());",
  );
  t.is((await run(process.execPath, ['program.mjs'], { cwd: join(folder, 'user') })).stdout, 'lenet ,4\n');
  await writeFile(
    join(folder, 'user/typed.mts'),
    "import model from '@me/lenet'; export const count: number = model.layers.length;\n// @ts-expect-error: it is a LayersModel\nmodel.nothing;",
  );
  const strict = '--noEmit --strict --skipLibCheck --module nodenext typed.mts'.split(' ');
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...strict], {
    cwd: join(folder, 'user'),
  });
  const description = JSON.parse(await readFile(join(npmPackage!, 'package.json'), 'utf8'));
  t.is(description.license, 'Apache-2.0');
  t.regex(description.padezoo.files['model/layers/weights.bin'], /^sha256-[\w+/]{43}=$/);
  const { stdout } = await run('npm', ['pack', '--json', '--dry-run'], { cwd: npmPackage! });
  const packed = Object.values(JSON.parse(stdout) as object)[0] as { files: { path: string }[] };
  const paths = packed.files.map(({ path }) => path);
  for (const path of ['index.js', 'index.d.ts', 'model/padezoo.json', 'model/onnx/model.onnx'])
    t.true(paths.includes(path), path);
  const verified = await run(
    process.execPath,
    [join(root, 'dist/src/cli/main.js'), 'verify', 'npm:@me/lenet', '--json'],
    { cwd: join(folder, 'user') },
  );
  t.true(JSON.parse(verified.stdout).ok);
  await t.throwsAsync(publish(knowingLenet(), { to: join(folder, 'b'), npm: 'Not A Name' }), {
    message: /npm takes no package/,
  });
});

test("a package's licence is spelt as npm spells it, and one that npm does not know is the card's to tell", t => {
  t.is(npmLicence('mit'), 'MIT');
  t.is(npmLicence('CC-BY-4.0'), 'CC-BY-4.0');
  t.is(npmLicence('openrail'), 'SEE LICENSE IN README.md');
});

test.serial('a bundle comes back from a URL, as a folder and as an archive', async t => {
  const folder = await temporaryFolder(t);
  const { model, directory } = await publishedLenet(folder);
  model.dispose();
  const { url, requests } = await serve(t, { '': folder });
  for (const address of [`${url}/lenet`, `${url}/lenet/`, `${url}/lenet.tar.gz`]) {
    const loaded = await load(address);
    t.is(loaded.outputs[0]!.shape[1], 4);
    loaded.dispose();
  }
  t.false(
    requests.some(path => path.includes('/onnx/')),
    'loading fetches no other format',
  );
  t.true((await verify(`${url}/lenet`)).ok);
  await t.throwsAsync(load(`${url}/absent`), { instanceOf: BundleError, message: /answers 404/ });
  const weights = await readFile(join(directory, 'layers/weights.bin'));
  await writeFile(join(directory, 'layers/weights.bin'), Buffer.concat([weights, weights]));
  await t.throwsAsync(load(`${url}/lenet`), { instanceOf: BundleError, message: /more than the \d+ bytes/ });
});

/** As much of the hub's API as pushing and loading take. */
async function fakeHub(t: Parameters<typeof temporaryFolder>[0]) {
  const files = new Map<string, Buffer>();
  const objects = new Map<string, Buffer>();
  const tokens = new Set<string | undefined>();
  let exists = false;
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const { pathname } = new URL(request.url!, 'http://localhost');
    const answer = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    tokens.add(request.headers.authorization);
    const { url } = server as unknown as { url: string };
    if (pathname === '/api/repos/create') {
      exists = true;
      return answer({ url: `${url}/me/lenet` });
    }
    if (pathname.startsWith('/api/models/me/lenet/preupload')) {
      const { files: asked } = JSON.parse(body.toString()) as { files: { path: string }[] };
      return answer({
        files: asked.map(({ path }) => ({
          path,
          uploadMode: /\.(bin|onnx|safetensors|png)$/.test(path) ? 'lfs' : 'regular',
        })),
      });
    }
    if (pathname === '/me/lenet.git/info/lfs/objects/batch') {
      const { objects: asked } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
      return answer({
        transfer: 'basic',
        objects: asked.map(object => ({
          ...object,
          actions: { upload: { href: `${url}/lfs/${object.oid}` } },
        })),
      });
    }
    if (pathname.startsWith('/lfs/')) {
      objects.set(pathname.slice('/lfs/'.length), body);
      return answer({});
    }
    if (pathname.startsWith('/api/models/me/lenet/commit/')) {
      for (const line of body.toString().trim().split('\n')) {
        const { key, value } = JSON.parse(line);
        if (key === 'file') files.set(value.path, Buffer.from(value.content, value.encoding));
        if (key === 'lfsFile') files.set(value.path, objects.get(value.oid)!);
      }
      return answer({ commitOid: 'a'.repeat(40), commitUrl: `${url}/me/lenet/commit/a` });
    }
    if (pathname === '/api/models/me/lenet') return exists ? answer({ id: 'me/lenet' }) : answer({}, 404);
    const file = files.get(pathname.replace('/me/lenet/resolve/main/', ''));
    return file ? response.writeHead(200).end(file) : answer({}, 404);
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(server, { url });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url, files, tokens };
}

test.serial('a bundle is pushed to the hub, if there is a token, and loaded from it', async t => {
  const { url, files, tokens } = await fakeHub(t);
  const { HF_ENDPOINT, HF_TOKEN } = process.env;
  t.teardown(() => {
    for (const [name, value] of Object.entries({ HF_ENDPOINT, HF_TOKEN }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  process.env.HF_ENDPOINT = url;
  delete process.env.HF_TOKEN;
  const folder = await temporaryFolder(t);
  const without = await publishedLenet(folder, { archive: 'none', hub: 'me/lenet' });
  without.model.dispose();
  t.is(without.commit, undefined);
  t.is(files.size, 0);
  process.env.HF_TOKEN = 'hf_of_a_test';
  const { model, commit, directory } = await publishedLenet(folder, { archive: 'none', hub: 'me/lenet' });
  model.dispose();
  t.is(commit, `${url}/me/lenet/commit/a`);
  t.true(tokens.has('Bearer hf_of_a_test'));
  const { files: here } = await readFolder(directory, () => true);
  t.deepEqual([...files.keys()].sort(), [...here.keys()].sort());
  t.is(textOf(files.get('padezoo.json')), textOf(here.get('padezoo.json')));
  const loaded = await load('hub:me/lenet');
  t.is(loaded.outputs[0]!.shape[1], 4);
  loaded.dispose();
});
