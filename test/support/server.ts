/** Servers on this machine, closed when the test ends. */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** @returns its address, without a slash at the end */
export async function serve(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * The files of a folder, by ranges, unless `answers` says that the server knows none.
 * @returns the paths that were asked for, which grow
 */
export async function serveFolder(
  t: ExecutionContext,
  folder: string,
  answers: 'ranges' | 'whole files' = 'ranges',
): Promise<{ url: string; asked: readonly string[] }> {
  const asked: string[] = [];
  const url = await serve(t, (request, response) => {
    asked.push(request.url!);
    let whole: Buffer;
    try {
      whole = readFileSync(join(folder, request.url!));
    } catch {
      return response.writeHead(404).end();
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    if (!range || answers === 'whole files') return response.end(whole);
    const [from, to] = [Number(range[1]), range[2] ? Number(range[2]) : whole.length - 1];
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${whole.length}`, etag: '"1"' });
    return response.end(whole.subarray(from, to + 1));
  });
  return { url, asked };
}
