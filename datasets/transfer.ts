/** One file over HTTP, onto the disk; what arrived before a broken connection is kept, and the rest is asked for. */
import { open } from 'node:fs/promises';
import { claim, release, sizeOf } from './partial.js';

export interface TransferOptions {
  readonly url: string | URL;
  /** Where its beginning may lie, and is left when the transfer breaks off. */
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

/**
 * Ends when the file is whole; leaving the loop closes the connection.
 * @returns where it lies, for the caller to remove
 */
export async function* transfer(options: TransferOptions): AsyncGenerator<Progress, string> {
  options.signal?.throwIfAborted();
  const own = await claim(options.partial);
  let whole = false;
  try {
    options.signal?.throwIfAborted(); // while it waited
    yield* receive(options, own);
    whole = true;
    return own;
  } finally {
    if (!whole) await release(own, options.partial);
  }
}

async function* receive(
  { url, file, limitBytes, signal }: TransferOptions,
  partial: string,
): AsyncGenerator<Progress, void> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  signal?.addEventListener('abort', stop);
  const stalled = () => controller.abort(new Error(`no byte for ${STALL_MS / 1000} s`));
  let timer = setTimeout(stalled, STALL_MS);
  try {
    const have = await sizeOf(partial);
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
      await output.close();
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    controller.abort(); // the loop may have been left in the middle of the body
  }
}
