/**
 * A long-running job that can be awaited for its result or iterated for its events.
 *
 * ```ts
 * const result = await train(model, options);
 * for await (const event of train(model, options)) console.log(event.type);
 * ```
 *
 * Work starts when the task is first awaited or iterated, and runs once. Leaving the loop early stops the work.
 */
export class Task<Event, Result> implements AsyncIterable<Event>, PromiseLike<Result> {
  readonly #run: () => AsyncGenerator<Event, Result, void>;
  #started = false;
  #settle!: { resolve(result: Result): void; reject(reason: unknown): void };
  readonly #result = new Promise<Result>((resolve, reject) => {
    this.#settle = { resolve, reject };
  });

  /** @param run the work: yields events, returns the result */
  constructor(run: () => AsyncGenerator<Event, Result, void>) {
    this.#run = run;
    this.#result.catch(() => {}); // a loop over the events reports the failure itself
  }

  /** The events in order; a failure of the work is thrown out of the loop. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, Result, void> {
    if (this.#started) throw new Error('task: it runs once; call the function again for a second run');
    this.#started = true;
    try {
      const result = yield* this.#run();
      this.#settle.resolve(result);
      return result;
    } catch (error) {
      this.#settle.reject(error);
      throw error;
    } finally {
      // Has no effect when the work has ended; otherwise the loop was left.
      this.#settle.reject(new Error('task: its loop was left before the end, so it has no result'));
    }
  }

  // biome-ignore lint/suspicious/noThenProperty: a task is awaitable by design
  then<A = Result, B = never>(
    onResult?: ((value: Result) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#finish().then(onResult, onError);
  }

  async #finish(): Promise<Result> {
    if (!this.#started) for await (const _ of this);
    return this.#result;
  }
}
