/** A small labelled data set that a network can learn: bright squares in different corners. */
import { type Dataset, datasets } from '../../src/index.js';

const SIZE = 32;

/** `count` images a split of `classes` classes, each a bright square at a place of its own on grey noise. */
export function squares({ count = 128, classes = 4 }: { count?: number; classes?: number } = {}): Dataset {
  return datasets.fromArrays({
    name: 'squares',
    train: split(count, classes, 1),
    test: split(count, classes, 2),
    inputShape: [SIZE, SIZE, 1],
    classes: Array.from({ length: classes }, (_, i) => `corner ${i}`),
    mean: [0.2],
    std: [0.3],
  });
}

function split(count: number, classes: number, seed: number) {
  const images = new Uint8Array(count * SIZE * SIZE);
  const labels = new Uint8Array(count);
  let state = seed;
  for (let image = 0; image < count; image++) {
    const label = image % classes;
    labels[image] = label;
    const [top, left] = [4 + 14 * (label >> 1), 4 + 14 * (label & 1)];
    for (let pixel = 0; pixel < SIZE * SIZE; pixel++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const row = Math.floor(pixel / SIZE) - top;
      const column = (pixel % SIZE) - left;
      const inside = row >= 0 && row < 10 && column >= 0 && column < 10;
      images[image * SIZE * SIZE + pixel] = (inside ? 160 : 20) + (state >>> 26);
    }
  }
  return { images, labels };
}
