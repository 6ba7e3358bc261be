/** How far an accuracy measured on so many images can be trusted. */

/** Two-sided 95 % of a normal distribution. */
const Z = 1.96;

/**
 * The 95 % interval of a proportion (Wilson 1927), which stays inside [0, 1].
 *
 * @param accuracy a fraction
 * @param images that it was measured on
 */
export function accuracyInterval(accuracy: number, images: number): readonly [low: number, high: number] {
  if (!(images > 0)) return [accuracy, accuracy];
  const spread = Z ** 2 / images;
  const centre = (accuracy + spread / 2) / (1 + spread);
  const half = (Z / (1 + spread)) * Math.sqrt((accuracy * (1 - accuracy)) / images + spread / (4 * images));
  return [centre - half, centre + half];
}
