/** The public surface of the data sets. */

export type { ArchiveProgress } from './archives/progress.js';
export { CorruptArchiveError } from './archives/tarIndex.js';
export type { ArraysOptions } from './arrays.js';
export type { Cifar100Options, CifarOptions } from './cifar.js';
export type {
  Batch,
  Dataset,
  EpochState,
  PixelFormat,
  Shard,
  TestOptions,
  TrainBatch,
  TrainOptions,
} from './dataset.js';
export type { DownloadEvent } from './download.js';
export {
  AddressError,
  BadImageError,
  CorruptFileError,
  DatasetNotFoundError,
  DownloadError,
  WrongFormatError,
} from './errors.js';
export type { FashionMnistOptions } from './fashionMnist.js';
export type { ImageFolderOptions } from './imageFolder.js';
export type { ImageNetOptions } from './imagenet/index.js';
export type { ImageDataset, ImageEpoch } from './images/imageDataset.js';
export { WorkerError } from './images/pool.js';
export type { BadSample, EpochSummary } from './images/stream.js';
export type { Limits } from './limit.js';
export type { MnistOptions } from './mnist.js';
export { type DownloadTarget, datasets } from './registry.js';
export { protocols, type Transform, type Transforms } from './transforms.js';
export type { WebDatasetOptions } from './webDataset.js';
