/** One file over HTTP, onto the disk; what arrived before a broken connection is kept, and the rest is asked for. */
import { createHash } from 'node:crypto';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface TransferOptions {
  readonly url: string | URL;
  /** Where its bytes gather; what lies there already is taken for its beginning. */
  readonly partial: string;
  /** For messages. */
  readonly file: string;
  /** Longer is not the file. */
  readonly limitBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Progress {
  readonly type: 'progress';
  readonly file: string;
  /** Bytes on this machine, those of an earlier attempt included. */
  readonly received: number;
  /** null where the source does not say. */
  readonly total: number | null;
}

const STALL_MS = 20_000; // no byte for this long: the next source may be alive

/** Where the first part of `url` waits for its rest: another address never goes on with it. */
export function partialPath(path: string, url: string | URL): string {
  return `${path}.${createHash('sha256').update(String(url)).digest('hex').slice(0, 8)}.partial`;
}

/** Ends when the file is whole; leaving the loop closes the connection. */
export async function* transfer(options: TransferOptions): AsyncGenerator<Progress, void> {
  const { url, partial, file, limitBytes, signal } = options;
  signal?.throwIfAborted();
  await mkdir(dirname(partial), { recursive: true });
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  signal?.addEventListener('abort', stop);
  const stalled = () => controller.abort(new Error(`no byte for ${STALL_MS / 1000} s`));
  let timer = setTimeout(stalled, STALL_MS);
  try {
    const have = (await stat(partial).catch(() => undefined))?.size ?? 0;
    const ask = (from: number) =>
      fetch(url, {
        signal: controller.signal,
        // Ranges count bytes as they are sent, so nothing may be compressed on the way.
        headers: from ? { range: `bytes=${from}-`, 'accept-encoding': 'identity' } : {},
      });
    let response = await ask(have);
    const goesOn =
      response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${have}-`);
    if (have > 0 && !goesOn && !response.ok) {
      await response.body?.cancel(); // 416: what lies here is no beginning of the file
      response = await ask(0);
    }
    if (!response.ok || !response.body) throw new Error(`${file}: HTTP ${response.status}`);
    let received = goesOn ? have : 0;
    const rest = Number(response.headers.get('content-length')) || null;
    const total = rest && rest + received;
    const output = await open(partial, goesOn ? 'a' : 'w');
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        received += chunk.length;
        if (received > limitBytes) {
          await output.truncate(0);
          throw new Error(`${file} is longer than ${limitBytes} bytes`);
        }
        await output.writeFile(chunk);
        yield { type: 'progress', file, received, total };
        timer = setTimeout(stalled, STALL_MS);
      }
    } finally {
      const { size } = await output.stat();
      await output.close();
      if (size === 0) await rm(partial, { force: true });
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    controller.abort(); // the loop may have been left in the middle of the body
  }
}
