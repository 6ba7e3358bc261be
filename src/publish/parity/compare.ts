/** How far a format's logits are from the source's: the largest relative error, and how many images have another class. */

/** Largest error, relative to an image's largest logit, that a format may have. */
export const TOLERANCE = 1e-4;

export interface Agreement {
  readonly images: number;
  /** The largest |logit - source's| over the largest |logit| of the source, of all images. */
  readonly maxRelativeError: number;
  /** Images with another largest logit, though the source's two are further apart than twice the tolerance. */
  readonly otherTopOne: number;
  /** Images with another largest logit between two that are as good as equal. */
  readonly ties: number;
  /** Index of the image with the largest error. */
  readonly worst: number;
}

/**
 * @param actual and
 * @param expected `[images, classes]` in row-major order
 */
export function compare(actual: Float32Array, expected: Float32Array, classes: number): Agreement {
  const images = expected.length / classes;
  let maxRelativeError = 0;
  let otherTopOne = 0;
  let ties = 0;
  let worst = 0;
  for (let image = 0; image < images; image++) {
    const from = image * classes;
    let scale = 0;
    let error = 0;
    let [ours, theirs] = [from, from];
    for (let i = from; i < from + classes; i++) {
      const [a, e] = [actual[i] ?? Number.NaN, expected[i]!];
      scale = Math.max(scale, Number.isFinite(e) ? Math.abs(e) : 0);
      if (!Object.is(a, e)) error = Math.max(error, Number.isNaN(a - e) ? Infinity : Math.abs(a - e));
      if (e > expected[theirs]!) theirs = i;
      if (a > actual[ours]!) ours = i;
    }
    const relative = error === 0 ? 0 : error / Math.max(scale, 2 ** -126);
    if (relative > maxRelativeError) {
      maxRelativeError = relative;
      worst = image;
    }
    if (ours === theirs) continue;
    if (expected[theirs]! - expected[ours]! <= 2 * TOLERANCE * scale) ties++;
    else otherTopOne++;
  }
  return { images, maxRelativeError, otherTopOne, ties, worst };
}

export const isEqual = ({ maxRelativeError, otherTopOne }: Agreement, tolerance = TOLERANCE): boolean =>
  maxRelativeError <= tolerance && otherTopOne === 0;
