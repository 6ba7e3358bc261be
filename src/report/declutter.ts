/** Keeps labels from lying on each other. */

/**
 * The places nearest to the wanted ones (least squares) that are at least `gap` apart: isotonic regression by pooling
 * neighbours that got into each other's way.
 *
 * @param wanted rising
 */
export function declutter(wanted: readonly number[], gap: number): number[] {
  const blocks: { sum: number; size: number }[] = [];
  wanted.forEach((place, i) => {
    let block = { sum: place - i * gap, size: 1 };
    for (let above = blocks.at(-1); above && mean(above) > mean(block); above = blocks.at(-1)) {
      block = { sum: above.sum + block.sum, size: above.size + block.size };
      blocks.pop();
    }
    blocks.push(block);
  });
  return blocks
    .flatMap(block => Array.from({ length: block.size }, () => mean(block)))
    .map((place, i) => place + i * gap);
}

const mean = ({ sum, size }: { sum: number; size: number }) => sum / size;
