/** Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 28x28 grey images of clothes, the full set or a subset that ships. */
import type { Dataset } from './dataset.js';
import { fileSetOf, type IdxOptions, type IdxSet, idxDataset } from './idxSet.js';

const DEBIAN = { package: 'dataset-fashion-mnist', directory: '/usr/share/datasets/fashion-mnist' };

const SET: IdxSet = {
  name: 'fashion-mnist',
  where: 'datasets.fashionMnist',
  licence: 'MIT, (c) 2017 Zalando SE',
  classes: [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
  /** As scripts/embed-fashion-mnist.mjs prints them. */
  statistics: { mean: 0.2860405969887955, std: 0.3530242445149226 },
  full: {
    length: { train: 60_000, test: 10_000 },
    sha256: {
      'train-images-idx3-ubyte': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
      'train-labels-idx1-ubyte': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
      't10k-images-idx3-ubyte': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
      't10k-labels-idx1-ubyte': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
    },
  },
  embedded: {
    length: { train: 6_000, test: 1_000 },
    sha256: {
      'train-images-idx3-ubyte': '697c04572905eac443c0f271f8966f856ad3eadc8b0940bca92a8abb35197ea6',
      'train-labels-idx1-ubyte': '5f56e302b5b368e3de7323f6b585e0e8323af7ee901a41aa5ad1d647590af8d8',
      't10k-images-idx3-ubyte': 'e674901a2105ff5df3904e7a1c7c3baf3cc5026f0b1d055c6ee79b9d4338b750',
      't10k-labels-idx1-ubyte': '10e62f9028e441be81aa9f3eff693ce58e4a71b7ede00d9048d6439939c08d2d',
    },
  },
  sources: [
    {
      kind: 'http',
      url: 'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    },
    { kind: 'http', url: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/' },
    { kind: 'debian', ...DEBIAN },
  ],
  debian: DEBIAN,
};

/** What `datasets.download` gets: four files, 30 MB. */
export const FASHION_MNIST_FILES = fileSetOf(SET);

export type FashionMnistOptions = IdxOptions;

/**
 * Fashion-MNIST; the files are looked for now and read on first use, once. Full sets and the subset (6,000 training and
 * 1,000 test images) are checked against their sha256, a user's own directory for its structure: 28x28 images, as many
 * labels, each below 10.
 *
 * The full set is looked for in `$PADEZOO_DATA/fashion-mnist`, padezoo's cache (`PADEZOO_CACHE`, else the platform's)
 * and Debian's package `dataset-fashion-mnist`.
 * @throws OptionsError, DatasetNotFoundError, or CorruptFileError for a directory whose headers are wrong; the rest
 *   while reading: CorruptFileError, DownloadError
 */
export function fashionMnist(options: FashionMnistOptions = {}): Dataset {
  return idxDataset(SET, options);
}
