/** Softmax cross-entropy's kernels; the op, its gradient and its fallback: src/ops/softmaxCrossEntropy.ts. */
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import type { Kernels } from '../kernel.js';
import { comparable } from './reductions.js';

/** at::Reduction::Mean */
const MEAN = 1;
/** No class: every label counts. */
const NONE_IGNORED = Number.MIN_SAFE_INTEGER;

const wide = (aten: Aten, labels: TorchTensor) => aten('to.dtype', labels, scalarType('int64'));

export const softmaxCrossEntropyKernels: Kernels = {
  /** -> [mean loss, log-probabilities, number of labels] */
  SparseSoftmaxCrossEntropy: ({ inputs: { logits, labels }, attributes, aten }) => {
    const labelSmoothing = attributes.labelSmoothing as number;
    const logProbabilities = aten('_log_softmax', logits!, 1, false);
    const wanted = wide(aten, labels!);
    const [loss, count] = aten.tuple('nll_loss_forward', logProbabilities, wanted, null, MEAN, NONE_IGNORED);
    if (labelSmoothing === 0) return [loss!, logProbabilities, count!];
    // No lerp: between two infinities it has no number.
    const certain = aten('mul.Scalar', loss!, 1 - labelSmoothing);
    const smoothed = aten('sub.Tensor', certain, aten('mean', logProbabilities), labelSmoothing);
    return [smoothed, logProbabilities, count!];
  },
  /** d loss / d logits = (softmax - targets) / n, times dy */
  SparseSoftmaxCrossEntropyGrad: ({ inputs: { dy, logProbabilities, labels, count }, attributes, aten }) => {
    const labelSmoothing = attributes.labelSmoothing as number;
    const wanted = wide(aten, labels!);
    if (labelSmoothing === 0) {
      const loss = [logProbabilities!, wanted, null, MEAN, NONE_IGNORED, count!] as const;
      const upstream = aten('nll_loss_backward', dy!, ...loss);
      return aten('_log_softmax_backward_data', upstream, logProbabilities!, 1, scalarType('float32'));
    }
    const [n, classes] = logProbabilities!.shape as [number, number];
    const share = aten('div.Scalar', dy!, n);
    const places = aten('unsqueeze', wanted, 1);
    const probabilities = aten('exp', logProbabilities!);
    const minusLabel = aten('new_full', probabilities, places.shape, labelSmoothing - 1);
    const excess = aten('scatter_add', probabilities, 1, places, minusLabel);
    return aten('mul.Tensor', aten('sub.Scalar', excess, labelSmoothing / classes, 1), share);
  },
  /** Rows of logits that are largest at their label. */
  CountCorrect: ({ inputs: { logits, labels }, aten }) => {
    const answers = aten('argmax', comparable(aten, logits!, Number.NEGATIVE_INFINITY), 1, false);
    return aten('sum', aten('eq.Tensor', answers, labels!), scalarType('int32'));
  },
};
