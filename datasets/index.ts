/** The public surface of the data sets. */
export type { ArraysOptions } from './arrays.js';
export type { Batch, Dataset, TestOptions, TrainOptions } from './dataset.js';
export type { DownloadEvent } from './download.js';
export { CorruptFileError, DatasetNotFoundError, DownloadError } from './errors.js';
export type { FashionMnistOptions } from './fashionMnist.js';
export { type DownloadTarget, datasets } from './registry.js';
