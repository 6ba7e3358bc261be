/** The torch engine: registers the backend and every kernel with tfjs; nothing native is loaded before its first use. */
import { registerBackend, registerKernel } from '@tensorflow/tfjs-core';
import { EngineError, loadAddon } from './addon.js';
import { TorchBackend } from './backend.js';
import { BACKEND_NAME, registerKernels } from './kernel.js';
import { activationKernels } from './kernels/activations.js';
import { batchNormKernels } from './kernels/batchNorm.js';
import { blockKernels } from './kernels/blocks.js';
import { complexKernels } from './kernels/complex.js';
import { convolutionKernels } from './kernels/convolution.js';
import { convolution3dKernels } from './kernels/convolution3d.js';
import { creationKernels } from './kernels/creation.js';
import { elementwiseKernels } from './kernels/elementwise.js';
import { javascriptKernels } from './kernels/javascript.js';
import { linearKernels } from './kernels/linear.js';
import { normalizationKernels } from './kernels/normalization.js';
import { optimizerKernels } from './kernels/optimizers.js';
import { nextKeyKernel, padeKernels } from './kernels/pade.js';
import { pixelKernels } from './kernels/pixels.js';
import { poolingKernels } from './kernels/pooling.js';
import { reductionKernels } from './kernels/reductions.js';
import { resizingKernels } from './kernels/resizing.js';
import { scatteringKernels } from './kernels/scattering.js';
import { shapingKernels } from './kernels/shaping.js';
import { softmaxCrossEntropyKernels } from './kernels/softmaxCrossEntropy.js';
import { sortingKernels } from './kernels/sorting.js';

/** Above every other backend: whoever imports padezoo in Node gets it when it works. */
const PRIORITY = 10;

registerBackend(
  BACKEND_NAME,
  () => {
    try {
      return new TorchBackend(loadAddon());
    } catch (cause) {
      // tfjs asks for a backend in the middle of an operation, where it cannot wait for the wasm engine to start.
      const reason = (cause as Error).message;
      throw new EngineError(
        `${reason}\nCall \`await engine.ready()\` first to run on the wasm engine instead.`,
        { cause },
      );
    }
  },
  PRIORITY,
);

for (const kernels of [
  activationKernels,
  blockKernels,
  complexKernels,
  convolutionKernels,
  convolution3dKernels,
  elementwiseKernels,
  linearKernels,
  normalizationKernels,
  padeKernels,
  pixelKernels,
  poolingKernels,
  reductionKernels,
  resizingKernels,
  scatteringKernels,
  shapingKernels,
  softmaxCrossEntropyKernels,
  sortingKernels,
]) {
  registerKernels(kernels);
}
for (const config of [
  ...batchNormKernels,
  ...creationKernels,
  ...javascriptKernels,
  ...optimizerKernels,
  nextKeyKernel,
])
  registerKernel(config);

export { EngineError, TorchBackend };
