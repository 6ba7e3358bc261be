/** Kernels that run in JavaScript: strings, ragged tensors, and what is rare and has no operator in libtorch. */
import type { KernelConfig } from '@tensorflow/tfjs-core';
import type { TorchBackend } from '../backend.js';
import { runInJavascript } from '../javascript.js';
import { BACKEND_NAME } from '../kernel.js';

/** What libtorch has no operator for; nothing in here belongs on a training step's path. */
const KERNEL_NAMES = [
  // the result's shape, or an error, depends on the values
  'BroadcastArgs',
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV4',
  'NonMaxSuppressionV5',
  'RaggedGather',
  'RaggedRange',
  'RaggedTensorToTensor',
  'SparseFillEmptyRows',
  'SparseReshape',
  'SparseSegmentMean',
  'SparseSegmentSum',
  'Unique',
  // tfjs's own random numbers, so that a seed means the same on every backend
  'Multinomial',
  // images
  'CropAndResize',
  'Dilation2D',
  'Dilation2DBackpropFilter',
  'Dilation2DBackpropInput',
  'RotateWithOffset',
  'Transform',
  // strings
  'StaticRegexReplace',
  'StringNGrams',
  'StringSplit',
  'StringToHashBucketFast',
] as const;

export const javascriptKernels: readonly KernelConfig[] = KERNEL_NAMES.map(kernelName => ({
  kernelName,
  backendName: BACKEND_NAME,
  kernelFunc: ({ inputs, attrs, backend }) =>
    runInJavascript(kernelName, inputs, attrs, backend as TorchBackend),
}));
