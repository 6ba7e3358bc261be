/** How far the work on an archive has come, as events of a task. */

export interface ArchiveProgress {
  readonly type: 'progress';
  /** Its headers are read, or all of it is, for its checksum. */
  readonly work: 'index' | 'md5';
  /** Path or address. */
  readonly archive: string;
  /** Bytes that were passed. */
  readonly done: number;
  readonly total: number;
}

const INTERVAL_MS = 200;

/** Does the work and yields, now and then, how far it is. */
export async function* reporting<Result>(
  facts: Pick<ArchiveProgress, 'work' | 'archive' | 'total'>,
  start: (progress: (bytes: number) => void, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<ArchiveProgress, Result, void> {
  const left = new AbortController();
  let done = 0;
  let ended = false;
  const work = start(bytes => {
    left.signal.throwIfAborted();
    done += bytes;
  }, left.signal).finally(() => {
    ended = true;
  });
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const pause = new Promise(resolve => {
        timer = setTimeout(resolve, INTERVAL_MS);
      });
      await Promise.race([work, pause]);
      clearTimeout(timer);
      if (ended) break;
      yield { type: 'progress', ...facts, done };
    }
    yield { type: 'progress', ...facts, done: facts.total };
    return await work;
  } finally {
    left.abort(new Error('the loop over the events was left')); // has no effect when the work has ended
    work.catch(() => {});
  }
}
