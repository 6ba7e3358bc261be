/** The official files of ImageNet (ILSVRC2012): their names, where they lie in a folder, and their md5. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatasetNotFoundError } from '../errors.js';

export const GROUND_TRUTH = 'ILSVRC2012_validation_ground_truth.txt';

/** As image-net.org publishes them. */
export const OFFICIAL_MD5 = {
  train: '1d675b47d978889d74fa0da5fadfb00e',
  val: '29b22e2961454d5413ddabcf34fc5622',
  devkit: 'fa75699e90414af021442c21a62c3abf',
} as const;
export type Role = keyof typeof OFFICIAL_MD5;

/** In a folder the first of these that is there counts: the archives, or what they were unpacked to. */
const NAMES: Readonly<Record<Role, readonly string[]>> = {
  train: ['ILSVRC2012_img_train.tar', 'train'],
  val: ['ILSVRC2012_img_val.tar', 'val'],
  devkit: [
    'ILSVRC2012_devkit_t12.tar.gz',
    'ILSVRC2012_devkit_t12.tar',
    `ILSVRC2012_devkit_t12/data/${GROUND_TRUTH}`,
    GROUND_TRUTH,
  ],
};

/** @throws DatasetNotFoundError that names what is missing */
export function officialPlaces(
  directory: string,
  where: string,
): { [Each in Role]?: string } & { train: string; val: string } {
  const find = (role: Role) => NAMES[role].map(name => join(directory, name)).find(existsSync);
  const [train, val, devkit] = [find('train'), find('val'), find('devkit')];
  const missing = [...(train ? [] : [NAMES.train]), ...(val ? [] : [NAMES.val])];
  if (!train || !val)
    throw new DatasetNotFoundError(
      'imagenet',
      [directory],
      `${where}: ${directory} has no ${missing.map(names => names.join(' or ')).join(', and no ')}; give the folder of the ` +
        'official archives, or train and val themselves',
    );
  return { train, val, ...(devkit && { devkit }) };
}
