/** Softmax cross-entropy's kernels; the op, its gradient and its fallback: src/ops/softmaxCrossEntropy.ts. */
import { scalarType } from '../aten.js';
import type { Kernels } from '../kernel.js';

export const softmaxCrossEntropyKernels: Kernels = {
  /** -> [mean loss, log-probabilities] */
  SparseSoftmaxCrossEntropy: ({ inputs: { logits, labels }, attributes, aten }) => {
    const labelSmoothing = attributes.labelSmoothing as number;
    const logProbabilities = aten('_log_softmax', logits!, 1, false);
    const wanted = aten('unsqueeze', aten('to.dtype', labels!, scalarType('int64')), 1);
    const picked = aten('mean', aten('gather', logProbabilities, 1, wanted));
    if (labelSmoothing === 0) return [aten('neg', picked), logProbabilities];
    // No lerp: between two infinities it has no number.
    const certain = aten('mul.Scalar', picked, 1 - labelSmoothing);
    const expected = aten('add.Tensor', certain, aten('mean', logProbabilities), labelSmoothing);
    return [aten('neg', expected), logProbabilities];
  },
  /** d loss / d logits = (softmax - targets) / n, times dy */
  SparseSoftmaxCrossEntropyGrad: ({ inputs: { dy, logProbabilities, labels }, attributes, aten }) => {
    const labelSmoothing = attributes.labelSmoothing as number;
    const [n, classes] = logProbabilities!.shape as [number, number];
    const share = aten('div.Scalar', dy!, n);
    const wanted = aten('unsqueeze', aten('to.dtype', labels!, scalarType('int64')), 1);
    const probabilities = aten('exp', logProbabilities!);
    const minusLabel = aten('new_full', probabilities, wanted.shape, labelSmoothing - 1);
    const excess = aten('scatter_add', probabilities, 1, wanted, minusLabel);
    const smoothed = labelSmoothing === 0 ? excess : aten('sub.Scalar', excess, labelSmoothing / classes, 1);
    return aten('mul.Tensor', smoothed, share);
  },
};
