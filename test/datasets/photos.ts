/** Small folders and archives of real JPEGs, of the structure of ImageNet, an image folder and WebDataset shards. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { create } from 'tar';
import { temporaryDirectory } from '../support/folders.js';

/** ILSVRC2012_IDs 449, 490 and 1: another order than that of the ids. */
export const WNIDS = ['n01440764', 'n01751748', 'n02119789'] as const;
const IDS = [449, 490, 1];
const PER_CLASS = 3;

/** A shade for each class, with a gradient that tells the images of a class apart. */
export async function writePhoto(path: string, label: number, image: number): Promise<void> {
  const [width, height] = [48, 40];
  const raw = Buffer.from(
    Array.from(
      { length: width * height * 3 },
      (_, i) => (i % 3 === label ? 200 : 40) + ((i / 97 + image * 9) & 31),
    ),
  );
  mkdirSync(dirname(path), { recursive: true });
  await sharp(raw, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toFile(path);
}

/** `train/WNID/*.JPEG` and `test/WNID/*.JPEG`, three images a class each. */
export async function imageFolders(): Promise<string> {
  const folder = temporaryDirectory();
  for (const split of ['train', 'test'])
    for (const [label, wnid] of WNIDS.entries())
      for (let image = 0; image < PER_CLASS; image++)
        await writePhoto(join(folder, split, wnid, `${wnid}_${image}.JPEG`), label, image);
  return folder;
}

/** The three official archives under their names, with nine images to train and three to test. */
export async function imageNetArchives(): Promise<string> {
  const work = await imageFolders();
  const folder = temporaryDirectory();
  const pack = (file: string, cwd: string, names: string[], gzip = false) =>
    create({ file, cwd, gzip, portable: true }, names);
  for (const wnid of WNIDS)
    await pack(
      join(work, `${wnid}.tar`),
      join(work, 'train', wnid),
      [0, 1, 2].map(i => `${wnid}_${i}.JPEG`),
    );
  await pack(
    join(folder, 'ILSVRC2012_img_train.tar'),
    work,
    WNIDS.map(wnid => `${wnid}.tar`),
  );
  const names = WNIDS.map((_, i) => `ILSVRC2012_val_0000000${i + 1}.JPEG`);
  for (const [i, wnid] of WNIDS.entries())
    copyFileSync(join(work, 'test', wnid, `${wnid}_0.JPEG`), join(work, names[i]!));
  await pack(join(folder, 'ILSVRC2012_img_val.tar'), work, [...names].reverse());
  const truth = 'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt';
  mkdirSync(dirname(join(work, truth)), { recursive: true });
  writeFileSync(join(work, truth), IDS.map(id => `${id}\n`).join(''));
  await pack(join(folder, 'ILSVRC2012_devkit_t12.tar.gz'), work, [truth], true);
  return folder;
}

/** `train-0.tar` and `train-1.tar` with three images each, `val-0.tar` with three. */
export async function webShards(): Promise<string> {
  const folder = temporaryDirectory();
  for (const [i, shard] of ['train-0', 'train-1', 'val-0'].entries()) {
    const work = temporaryDirectory();
    for (const label of [0, 1, 2]) {
      await writePhoto(join(work, `${i}${label}.jpg`), label, i);
      writeFileSync(join(work, `${i}${label}.cls`), `${label}\n`);
    }
    const names = [0, 1, 2].flatMap(label => [`${i}${label}.jpg`, `${i}${label}.cls`]);
    await create({ file: join(folder, `${shard}.tar`), cwd: work, portable: true }, names);
  }
  return folder;
}
