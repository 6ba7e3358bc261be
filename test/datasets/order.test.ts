/** Laws of an epoch's order: resumed, sharded and transformed, it is the same epoch. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import test from 'ava';
import fc from 'fast-check';
import type { Dataset, TrainOptions } from '../../datasets/dataset.js';
import { datasets } from '../../datasets/index.js';
import { checkTrainOptions, trainOrder } from '../../datasets/order.js';
import { OptionsError } from '../../src/errors.js';

const SIDE = 6;

/** Every image has its own number in its first two pixels, and a gradient behind. */
function marked(n: number): Dataset {
  const images = Uint8Array.from({ length: n * SIDE * SIDE }, (_, i) => {
    const [image, pixel] = [Math.floor(i / (SIDE * SIDE)), i % (SIDE * SIDE)];
    return pixel === 0 ? image : (image * 7 + pixel * 5) % 251;
  });
  return datasets.fromArrays({
    train: { images, labels: Array.from({ length: n }, (_, i) => i) },
    test: { images: images.slice(0, SIDE * SIDE), labels: [0] },
    inputShape: [SIDE, SIDE, 1],
    classes: Array.from({ length: n }, (_, i) => `${i}`),
    transforms: {
      train: [
        { name: 'crop', padding: 2 },
        { name: 'flip', probability: 0.5 },
        { name: 'rotate', degrees: 30 },
      ],
      test: [],
    },
  });
}

async function read(data: Dataset, options: TrainOptions) {
  const labels: number[] = [];
  const pixels = new Map<number, string>();
  const positions: number[] = [];
  for await (const batch of data.train({ ...options, pixels: 'uint8' })) {
    const values = batch.images.dataSync();
    const own = [...batch.labels.dataSync()];
    own.forEach((label, i) => {
      pixels.set(label, values.slice(i * SIDE * SIDE, (i + 1) * SIDE * SIDE).join());
    });
    labels.push(...own);
    positions.push(batch.state.position);
    tf.dispose([batch.images, batch.labels]);
  }
  return { labels, pixels, positions };
}

const sizes = fc.integer({ min: 1, max: 60 });

test.serial('resumed after any batch, the rest of the epoch is the same, pixel for pixel', async t => {
  await fc.assert(
    fc.asyncProperty(
      sizes,
      sizes,
      fc.nat(1000),
      fc.nat(5),
      fc.nat(),
      async (n, batchSize, seed, epoch, stop) => {
        const data = marked(n);
        const whole = await read(data, { batchSize, seed, epoch });
        const position = whole.positions[stop % whole.positions.length]!;
        const rest = await read(data, { batchSize, seed, epoch, position });
        t.deepEqual(rest.labels, whole.labels.slice(position));
        t.true(rest.labels.every(label => rest.pixels.get(label) === whole.pixels.get(label)));
      },
    ),
    { numRuns: 25 },
  );
});

test.serial('an image’s augmentation belongs to seed, epoch and image, whatever batch it is in', async t => {
  const data = marked(40);
  const one = await read(data, { batchSize: 1, seed: 3, epoch: 2 });
  const seven = await read(data, { batchSize: 7, seed: 3, epoch: 2 });
  const other = await read(data, { batchSize: 7, seed: 3, epoch: 3 });
  t.true([...one.pixels].every(([label, pixels]) => seven.pixels.get(label) === pixels));
  const changed = [...one.pixels].filter(([label, pixels]) => other.pixels.get(label) !== pixels);
  t.true(changed.length > 30, `${changed.length} of 40 differ in the next epoch`);
});

test('the ranks’ parts of every batch make the batch, in order, and differ by one image at most', t => {
  const ranked = fc
    .integer({ min: 1, max: 8 })
    .chain(ranks =>
      fc.tuple(
        fc.constant(ranks),
        fc.integer({ min: ranks, max: 50 }),
        fc.nat(300),
        fc.nat(1000),
        fc.nat(300),
      ),
    );
  t.notThrows(() =>
    fc.assert(
      fc.property(ranked, ([ranks, batchSize, n, seed, from]) => {
        const position = Math.min(from, n);
        const of = (rank: number, total: number) => {
          const shard = { rank, ranks: total };
          return [
            ...trainOrder(n, checkTrainOptions({ batchSize, seed, epoch: 1, position, shard }, n, 'test')),
          ];
        };
        const whole = of(0, 1);
        const parts = Array.from({ length: ranks }, (_, rank) => of(rank, ranks));
        whole.forEach((batch, i) => {
          const rows = parts.flatMap(part => [...part[i]!.rows]);
          if (rows.join() !== [...batch.rows].join())
            throw new Error(`batch ${i}: ${rows} is not ${batch.rows}`);
          const counts = parts.map(part => part[i]!.rows.length);
          if (Math.max(...counts) - Math.min(...counts) > 1) throw new Error(`uneven: ${counts}`);
          if (parts.some(part => part[i]!.state.position !== batch.state.position))
            throw new Error('other states');
        });
        return parts.every(part => part.length === whole.length);
      }),
    ),
  );
});

test('a state is found at once: the last batch of a million images costs no more than their permutation', t => {
  const n = 1_281_167;
  const [last] = trainOrder(
    n,
    checkTrainOptions({ batchSize: 256, seed: 1, epoch: 0, position: n - 5 }, n, 'test'),
  );
  t.is(last!.rows.length, 5);
  t.is(last!.state.position, n);
});

const refused: Record<string, [Partial<TrainOptions>, RegExp]> = {
  'a position behind the end': [{ position: 4 }, /position must be at most 3, .*got 4/],
  'a rank that is not there': [
    { shard: { rank: 2, ranks: 2 } },
    /shard\.rank must be below shard\.ranks, 2, got 2/,
  ],
  'more ranks than images a batch': [
    { shard: { rank: 0, ranks: 9 } },
    /batchSize counts .* at least 9, got 8/,
  ],
};
for (const [what, [change, message]] of Object.entries(refused)) {
  test(`train refuses ${what}`, t => {
    t.throws(() => marked(3).train({ batchSize: 8, seed: 0, epoch: 0, ...change }), {
      instanceOf: OptionsError,
      message,
    });
  });
}
