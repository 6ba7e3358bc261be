/** Downloads from a local server that is right, wrong, slow or gone. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { create } from 'tar';
import { type DownloadEvent, download } from '../../datasets/download.js';
import { DownloadError } from '../../datasets/index.js';
import { partialPath } from '../../datasets/partial.js';
import { type ExpectedFile, type Source, tarMembers } from '../../datasets/sources.js';
import { transfer } from '../../datasets/transfer.js';
import { temporaryDirectory } from '../support/folders.js';
import { serve } from '../support/server.js';

const CONTENTS = { 'a.gz': Buffer.alloc(100_000, 'a'), 'b.gz': Buffer.alloc(50_000, 'b') };
const FILES: ExpectedFile[] = Object.entries(CONTENTS).map(([name, contents]) => ({
  name,
  checksum: { algorithm: 'sha256', value: createHash('sha256').update(contents).digest('hex') },
  bytes: contents.length,
}));

const right: RequestListener = (request, response) => {
  response.end(gzipSync(CONTENTS[request.url!.slice(1) as keyof typeof CONTENTS], { level: 0 }));
};

async function sourceOf(t: ExecutionContext, listener: RequestListener) {
  return { kind: 'http', url: `${await serve(t, listener)}/` } as const;
}

test('files arrive whole, with progress up to their size', async t => {
  const to = join(temporaryDirectory(), 'new', 'folder');
  const events: DownloadEvent[] = [];
  for await (const event of download({
    dataset: 'letters',
    files: FILES,
    sources: [await sourceOf(t, right)],
    to,
  }))
    events.push(event);
  t.deepEqual(readdirSync(to).sort(), ['a.gz', 'b.gz']);
  t.deepEqual(readFileSync(join(to, 'a.gz')), gzipSync(CONTENTS['a.gz'], { level: 0 }));
  t.deepEqual(
    events.filter(e => e.type === 'verified').map(e => e.file),
    ['a.gz', 'b.gz'],
  );
  const last = events.filter(e => e.type === 'progress' && e.file === 'a.gz').at(-1);
  t.like(last, { received: gzipSync(CONTENTS['a.gz'], { level: 0 }).length });
});

test('awaited, it gives the directory; a sound file is kept and a damaged one replaced', async t => {
  const to = temporaryDirectory();
  const asked: string[] = [];
  const source = await sourceOf(t, (request, response) => {
    asked.push(request.url!);
    right(request, response);
  });
  writeFileSync(join(to, 'a.gz'), gzipSync(CONTENTS['a.gz']));
  writeFileSync(join(to, 'b.gz'), gzipSync(CONTENTS['a.gz']));
  t.is(await download({ dataset: 'letters', files: FILES, sources: [source], to }), to);
  t.deepEqual(asked, ['/b.gz']);
  t.deepEqual(readFileSync(join(to, 'b.gz')), gzipSync(CONTENTS['b.gz'], { level: 0 }));
});

const wrong: Record<string, [RequestListener, RegExp]> = {
  'another file': [(_, response) => response.end(gzipSync('hello')), /a\.gz: contents have sha256 2cf24dba/],
  'a web page': [(_, response) => response.end('<!DOCTYPE html>'), /a\.gz: contents have sha256 /],
  'half a file': [
    (_, response) => response.end(gzipSync(CONTENTS['a.gz'], { level: 0 }).subarray(0, 9000)),
    /unexpected end of file/,
  ],
  'a bomb': [
    (_, response) => response.end(gzipSync(Buffer.alloc(10 ** 7))),
    /not the gzip file.*larger than/,
  ],
  'an endless file': [
    (_, response) => response.end(Buffer.alloc(10 ** 6)),
    /a\.gz is longer than 165536 bytes/,
  ],
  'not found': [(_, response) => response.writeHead(404).end(), /a\.gz: HTTP 404/],
};
for (const [what, [listener, reason]] of Object.entries(wrong)) {
  test(`a source that gives ${what} is passed over, and nothing of it is kept`, async t => {
    const to = temporaryDirectory();
    const bad = await sourceOf(t, listener);
    const error = await t.throwsAsync(
      async () => download({ dataset: 'letters', files: FILES, sources: [bad], to }),
      { instanceOf: DownloadError, message: /letters could not be downloaded: http:.*Check the network/ },
    );
    t.regex(error!.attempts.join(), reason);
    t.deepEqual(readdirSync(to), []);

    const good = await sourceOf(t, right);
    await download({ dataset: 'letters', files: FILES, sources: [bad, good], to });
    t.deepEqual(readdirSync(to).sort(), ['a.gz', 'b.gz']);
  });
}

test('a server that is gone and a machine without the Debian package are two attempts of one error', async t => {
  const error = await t.throwsAsync(
    async () =>
      download({
        dataset: 'letters',
        files: FILES,
        sources: [
          { kind: 'http', url: 'http://127.0.0.1:9/' },
          { kind: 'debian', package: 'no-such-package-of-padezoo', directory: '/usr' },
        ],
        to: temporaryDirectory(),
      }),
    { instanceOf: DownloadError },
  );
  t.is(error!.attempts.length, 2);
  t.regex(error!.attempts[1]!, /^Debian package no-such-package-of-padezoo failed/);
});

/** Answers ranges; breaks the connection after `allowed` bytes of an answer. */
function breaking(allowed: number, asked: (string | undefined)[]): RequestListener {
  return (request, response) => {
    const whole = gzipSync(CONTENTS[request.url!.slice(1) as keyof typeof CONTENTS], { level: 0 });
    const { range } = request.headers;
    asked.push(range);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    response.writeHead(range ? 206 : 200, {
      'content-length': whole.length - from,
      ...(range && { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` }),
    });
    if (from + allowed >= whole.length) return response.end(whole.subarray(from));
    // What has not been read by then is lost with the connection.
    return response.write(whole.subarray(from, from + allowed), () =>
      setTimeout(() => response.destroy(), 200),
    );
  };
}

test('a broken transfer goes on where it was when it is asked for again', async t => {
  const to = temporaryDirectory();
  const asked: (string | undefined)[] = [];
  const source = await sourceOf(t, breaking(60_000, asked));
  const files = FILES.slice(0, 1);
  const fetchIt = async () => download({ dataset: 'letters', files, sources: [source], to });
  await t.throwsAsync(fetchIt, { instanceOf: DownloadError });
  t.deepEqual(
    readdirSync(to).map(name => name.replace(/[0-9a-f]{8}/, 'HASH')),
    ['a.gz.HASH.partial'],
  );
  await fetchIt();
  t.deepEqual(asked, [undefined, 'bytes=60000-']);
  t.deepEqual(readdirSync(to), ['a.gz']);
  t.deepEqual(readFileSync(join(to, 'a.gz')), gzipSync(CONTENTS['a.gz'], { level: 0 }));
});

test('two downloads into one folder at once do not mix their bytes', async t => {
  const to = temporaryDirectory();
  const whole = gzipSync(CONTENTS['a.gz'], { level: 0 });
  const source = await sourceOf(t, async (request, response) => {
    response.writeHead(200, { 'content-length': whole.length });
    for (let at = 0; at < whole.length; at += 20_000) {
      response.write(whole.subarray(at, at + 20_000));
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    response.end();
    request.resume();
  });
  const files = FILES.slice(0, 1);
  const one = () => Promise.resolve(download({ dataset: 'letters', files, sources: [source], to }));
  await Promise.all([one(), one(), one()]);
  t.deepEqual(readdirSync(to), ['a.gz']);
  t.deepEqual(readFileSync(join(to, 'a.gz')), whole);
});

test('what a process that was killed had received is gone on with; what a running one receives is left alone', async t => {
  const to = temporaryDirectory();
  const asked: (string | undefined)[] = [];
  const whole = gzipSync(CONTENTS['a.gz'], { level: 0 });
  const source = await sourceOf(t, (request, response) => {
    asked.push(request.headers.range);
    response.writeHead(206, { 'content-range': `bytes 30000-${whole.length - 1}/${whole.length}` });
    response.end(whole.subarray(30_000));
  });
  const dead = spawnSync(process.execPath, ['-e', '0']).pid;
  const waiting = partialPath(join(to, 'a.gz'), `${source.url}a.gz`);
  writeFileSync(`${waiting}.${hostname()}-${dead}-0`, whole.subarray(0, 30_000));
  writeFileSync(`${waiting}.${hostname()}-${process.ppid}-0`, whole.subarray(0, 50_000));
  writeFileSync(`${waiting}.elsewhere-${dead}-0`, whole.subarray(0, 50_000));
  await download({ dataset: 'letters', files: FILES.slice(0, 1), sources: [source], to });
  t.deepEqual(asked, ['bytes=30000-']);
  t.deepEqual(readFileSync(join(to, 'a.gz')), whole);
  t.is(readdirSync(to).length, 3, 'the other two are still theirs');
});

test('a partial file that is longer than the file is thrown away', async t => {
  const to = temporaryDirectory();
  const source = await sourceOf(t, (request, response) => {
    if (request.headers.range) response.writeHead(416).end();
    else right(request, response);
  });
  writeFileSync(partialPath(join(to, 'a.gz'), `${source.url}a.gz`), Buffer.alloc(200_000));
  await download({ dataset: 'letters', files: FILES.slice(0, 1), sources: [source], to });
  t.deepEqual(readdirSync(to), ['a.gz']);
});

test('an archive with all files is checked, unpacked and removed; a wrong one is passed over', async t => {
  const to = temporaryDirectory();
  const folder = temporaryDirectory();
  mkdirSync(join(folder, 'letters'));
  for (const [name, contents] of Object.entries(CONTENTS))
    writeFileSync(join(folder, 'letters', name.replace('.gz', '')), contents);
  await create({ file: join(folder, 'letters.tar.gz'), gzip: true, cwd: folder }, ['letters']);
  const archive = readFileSync(join(folder, 'letters.tar.gz'));
  const { url } = await sourceOf(t, (_, response) => response.end(archive));
  const source = (value: string): Source => ({
    kind: 'archive',
    from: { url: `${url}letters.tar.gz` },
    checksum: { algorithm: 'md5', value },
    bytes: archive.length,
    unpack: tarMembers(name => `letters/${name.replace('.gz', '')}`),
  });
  const md5 = createHash('md5').update(archive).digest('hex');
  const events: DownloadEvent[] = [];
  const wrong = source('0'.repeat(32));
  for await (const event of download({ dataset: 'letters', files: FILES, sources: [wrong, source(md5)], to }))
    events.push(event);
  const [failed] = events.filter(event => event.type === 'failed');
  t.regex(failed!.reason, /letters\.tar\.gz has md5 [0-9a-f]{32}, not 0{32}/);
  t.deepEqual(readdirSync(to).sort(), ['a.gz', 'b.gz']);
  t.deepEqual(gunzipSync(readFileSync(join(to, 'b.gz'))), CONTENTS['b.gz']); // kept under its name: compressed
});

test('an abort stops the transfer with the signal’s reason', async t => {
  const to = temporaryDirectory();
  const stop = new AbortController();
  const source = await sourceOf(t, (_, response) => {
    response.writeHead(200, { 'content-length': 90_000 }).write('x');
  });
  const reason = new Error('enough');
  await t.throwsAsync(
    async () => {
      for await (const event of download({
        dataset: 'letters',
        files: FILES,
        sources: [source],
        to,
        signal: stop.signal,
      }))
        if (event.type === 'progress') stop.abort(reason);
    },
    { is: reason },
  );
  t.false(readdirSync(to).includes('a.gz'));
});

test('an abort while the transfer takes its partial file stops it before anything is asked for', async t => {
  const to = temporaryDirectory();
  const asked: string[] = [];
  const { url } = await sourceOf(t, (request, response) => {
    asked.push(request.url!);
    right(request, response);
  });
  const partial = join(to, 'a.gz.partial');
  writeFileSync(partial, 'begun');
  const stop = new AbortController();
  const reason = new Error('enough');
  const options = { partial, file: 'a.gz', limitBytes: 200_000, signal: stop.signal };
  const first = transfer({ url: `${url}a.gz`, ...options }).next();
  stop.abort(reason);
  await t.throwsAsync(first, { is: reason });
  t.deepEqual(asked, []);
  t.deepEqual(readdirSync(to), ['a.gz.partial'], 'and what was begun waits for the next');
});

test('leaving the loop closes the connection', async t => {
  let connection: Promise<unknown> = Promise.resolve();
  const source = await sourceOf(t, (request, response) => {
    connection = once(request.socket, 'close');
    response.writeHead(200, { 'content-length': 90_000 }).write('x');
  });
  for await (const event of download({
    dataset: 'letters',
    files: FILES,
    sources: [source],
    to: temporaryDirectory(),
  }))
    if (event.type === 'progress') break;
  await t.notThrowsAsync(connection);
});
