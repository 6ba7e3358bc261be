/** Order: the largest elements, and places in a sorted row. */
import type { TorchTensor } from '../aten.js';
import type { Call, Kernels } from '../kernel.js';

/** `[values, places]`, largest first; of equal elements the first comes first. */
function topK({ inputs: { x }, attributes: { k }, aten }: Call): TorchTensor[] {
  const sorted = aten.tuple('sort.stable', x!, true, -1, true);
  return sorted.map(y => aten('narrow', y, -1, 0, k));
}

export const sortingKernels: Kernels = {
  TopK: topK,
  SearchSorted: ({ inputs: { sortedSequence, values }, attributes: { side }, aten }) =>
    aten('searchsorted.Tensor', sortedSequence!, values!, true, side === 'right'),
};
