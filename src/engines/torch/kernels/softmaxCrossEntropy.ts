/** Softmax cross-entropy's kernels; the op, its gradient and its fallback: src/ops/softmaxCrossEntropy.ts. */
import { scalarType } from '../aten.js';
import type { Kernels } from '../kernel.js';

export const softmaxCrossEntropyKernels: Kernels = {
  /** -> [mean loss, log-probabilities] */
  SparseSoftmaxCrossEntropy: ({ inputs: { logits, labels }, aten }) => {
    const logProbabilities = aten('_log_softmax', logits!, 1, false);
    const wanted = aten('unsqueeze', aten('to.dtype', labels!, scalarType('int64')), 1);
    const picked = aten('gather', logProbabilities, 1, wanted);
    return [aten('neg', aten('mean', picked)), logProbabilities];
  },
  /** d loss / d logits = (softmax - one hot) / n, times dy */
  SparseSoftmaxCrossEntropyGrad: ({ inputs: { dy, logProbabilities, labels }, aten }) => {
    const share = aten('div.Scalar', dy!, logProbabilities!.shape[0]!);
    const wanted = aten('unsqueeze', aten('to.dtype', labels!, scalarType('int64')), 1);
    const probabilities = aten('exp', logProbabilities!);
    const minusOne = aten('new_full', probabilities, wanted.shape, -1);
    return aten('mul.Tensor', aten('scatter_add', probabilities, 1, wanted, minusOne), share);
  },
};
