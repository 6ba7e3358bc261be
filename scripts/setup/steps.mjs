/** The steps of a set-up, and how one ends. */
export const STEPS = /** @type {const} */ (['dependencies', 'compile', 'images', 'libtorch', 'addon']);

/** A step could not be done; `message` says why and what to install. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
  /** whether a setting of the user's is wrong, rather than something missing */
  choice = false;
}

/**
 * How a step ended.
 *
 * @param {string} line
 */
export const done = line => ({ changed: true, line });

/** @param {string} line */
export const skipped = line => ({ changed: false, line });

export function stopwatch() {
  const start = performance.now();
  return () => ((performance.now() - start) / 1000).toFixed(0);
}
