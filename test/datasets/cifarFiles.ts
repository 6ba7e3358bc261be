/** Small sets of CIFAR's structure, made by hand for the tests. */

export type CifarName = 'cifar10' | 'cifar100';

/** The official table's beginning is 4, 1, 14, 8, 0: apple is a fruit, aquarium fish a fish, ... */
const COARSE = new Map([
  [0, 4],
  [1, 1],
  [2, 14],
  [3, 8],
  [4, 0],
  [5, 6],
  [30, 0],
  [31, 11],
  [32, 1],
]);

/** Each image has a shade of its own. */
function records(labels: readonly number[], coarse: ReadonlyMap<number, number> | undefined): Buffer {
  return Buffer.concat(
    labels.map((label, i) =>
      Buffer.concat([
        Buffer.from(coarse ? [coarse.get(label)!, label] : [label]),
        Buffer.from(Array.from({ length: 3072 }, (_, p) => (p * 7 + 13 * i + 31 * label) & 255)),
      ]),
    ),
  );
}

/** Two images in each of CIFAR-10's five files, six in CIFAR-100's one; three to test. */
export function cifarFiles(name: CifarName): Record<string, Buffer> {
  if (name === 'cifar100')
    return { 'train.bin': records([0, 1, 2, 3, 4, 5], COARSE), 'test.bin': records([30, 31, 32], COARSE) };
  return {
    ...Object.fromEntries(
      [1, 2, 3, 4, 5].map(i => [`data_batch_${i}.bin`, records([i - 1, i + 4], undefined)]),
    ),
    'test_batch.bin': records([9, 3, 7], undefined),
  };
}
