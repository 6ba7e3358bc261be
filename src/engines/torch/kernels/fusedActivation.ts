/** The activation that tfjs fuses behind a convolution or a matrix product at inference. */
import { EngineError } from '../addon.js';
import type { TorchTensor } from '../aten.js';
import type { Call } from '../kernel.js';

/** Applies `attributes.activation` to `y`. */
export function activate({ aten, attributes, inputs }: Call, y: TorchTensor): TorchTensor {
  switch (attributes.activation ?? 'linear') {
    case 'linear':
      return y;
    case 'relu':
      return aten('relu', y);
    case 'relu6':
      return aten('clamp', y, 0, 6);
    case 'elu':
      return aten('elu', y);
    case 'sigmoid':
      return aten('sigmoid', y);
    case 'leakyrelu':
      return aten('leaky_relu', y, attributes.leakyreluAlpha ?? 0.2);
    case 'prelu': {
      const weights = inputs.preluActivationWeights!;
      // One weight a channel, and the channels of NCHW are not last.
      const isChannelsFirst = attributes.dataFormat === 'NCHW' && weights.shape.length === 1;
      const alpha = isChannelsFirst ? aten('reshape', weights, [-1, 1, 1]) : weights;
      return aten('where.self', aten('gt.Scalar', y, 0), y, aten('mul.Tensor', y, alpha));
    }
    default:
      throw new EngineError(`torch: the fused activation ${attributes.activation} is not supported`);
  }
}
