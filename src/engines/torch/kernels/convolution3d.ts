/** Convolutions on NDHWC tensors: the same bytes are channels_last_3d to libtorch. */
import { backend_util } from '@tensorflow/tfjs-core';
import type { Aten, TorchTensor } from '../aten.js';
import type { Attributes, Call, Kernels } from '../kernel.js';
import { padded, paddingOf, unpadded } from './windows.js';

const NDHWC_TO_NCDHW = [0, 4, 1, 2, 3];
const NCDHW_TO_NDHWC = [0, 2, 3, 4, 1];
const DHWIO_TO_OIDHW = [4, 3, 0, 1, 2];
const OIDHW_TO_DHWIO = [2, 3, 4, 1, 0];

export function toNcdhw(aten: Aten, x: TorchTensor): TorchTensor {
  return aten('permute', x, NDHWC_TO_NCDHW);
}

export function toNdhwc(aten: Aten, x: TorchTensor): TorchTensor {
  return aten('permute', x, NCDHW_TO_NDHWC);
}

type Info = Pick<
  backend_util.Conv3DInfo,
  | 'inDepth'
  | 'inHeight'
  | 'inWidth'
  | 'outDepth'
  | 'outHeight'
  | 'outWidth'
  | 'strideDepth'
  | 'strideHeight'
  | 'strideWidth'
  | 'effectiveFilterDepth'
  | 'effectiveFilterHeight'
  | 'effectiveFilterWidth'
  | 'padInfo'
>;

/** tfjs's padding of depth, height and width, for a convolution or a pooling. */
export function padding3d(info: Info) {
  const { padInfo } = info;
  const axis = (
    name: 'Depth' | 'Height' | 'Width',
    before: 'front' | 'top' | 'left',
    after: 'back' | 'bottom' | 'right',
  ) => ({
    size: info[`in${name}`],
    reach: info[`effectiveFilter${name}`],
    stride: info[`stride${name}`],
    before: padInfo[before],
    after: padInfo[after],
    out: info[`out${name}`],
  });
  return paddingOf([
    axis('Depth', 'front', 'back'),
    axis('Height', 'top', 'bottom'),
    axis('Width', 'left', 'right'),
  ]);
}

function geometry(inShape: number[], filterShape: number[], { strides, pad, dilations }: Attributes) {
  const info = backend_util.computeConv3DInfo(
    inShape as [number, number, number, number, number],
    filterShape as [number, number, number, number, number],
    strides,
    dilations ?? 1,
    pad,
  );
  return {
    stride: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilation: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
    padding: padding3d(info),
    outShape: info.outShape,
  };
}

function convolve({ inputs: { x, filter }, attributes, aten }: Call): TorchTensor {
  const { stride, dilation, padding, outShape } = geometry(x!.shape, filter!.shape, attributes);
  if (outShape.includes(0)) return aten('new_empty', x!, outShape);
  const input = padded(aten, toNcdhw(aten, x!), padding, 0);
  const weight = aten('permute', filter!, DHWIO_TO_OIDHW);
  return toNdhwc(aten, aten('conv3d', input, weight, null, stride, padding.even, dilation, 1));
}

/** The gradient that `wanted` names; of the operand whose gradient it is, only the shape is looked at. */
function gradient(
  { aten, attributes }: Call,
  wanted: 'input' | 'filter',
  dy: TorchTensor,
  x: TorchTensor,
  filter: TorchTensor,
): TorchTensor {
  if (dy.shape.includes(0)) return aten('zeros_like', wanted === 'input' ? x : filter);
  const { stride, dilation, padding } = geometry(x.shape, filter.shape, attributes);
  const [dx, dw] = aten.tuple(
    'convolution_backward',
    toNcdhw(aten, dy),
    padded(aten, toNcdhw(aten, x), padding, 0),
    aten('permute', filter, DHWIO_TO_OIDHW),
    null,
    stride,
    padding.even,
    dilation,
    false,
    [0, 0, 0],
    1,
    [wanted === 'input', wanted === 'filter', false],
  );
  if (wanted === 'filter') return aten('permute', dw!, OIDHW_TO_DHWIO);
  return toNdhwc(aten, unpadded(aten, dx!, padding));
}

export const convolution3dKernels: Kernels = {
  Conv3D: convolve,
  Conv3DBackpropInputV2: call => {
    const { dy, filter } = call.inputs as Record<'dy' | 'filter', TorchTensor>;
    const x = call.aten('new_empty', dy, call.attributes.inputShape);
    return gradient(call, 'input', dy, x, filter);
  },
  Conv3DBackpropFilterV2: call => {
    const { dy, x } = call.inputs as Record<'dy' | 'x', TorchTensor>;
    const filter = call.aten('new_empty', dy, call.attributes.filterShape);
    return gradient(call, 'filter', dy, x, filter);
  },
};
