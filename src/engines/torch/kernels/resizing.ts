/** Images of another size, bilinear or by the nearest pixel, with gradients; how pixels are aligned is tfjs's. */
import { type Aten, scalarType, type TorchTensor } from '../aten.js';
import type { Attributes, Call, Kernels } from '../kernel.js';
import { toNchw, toNhwc } from './convolution.js';

/** Where each of `to` pixels lies among `from` ones, float64. */
function sources(
  aten: Aten,
  from: number,
  to: number,
  { alignCorners, halfPixelCenters }: Attributes,
  half: number,
): TorchTensor {
  const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  const pixels = aten('arange', to, scalarType('float64'));
  const centres = halfPixelCenters ? aten('add.Scalar', pixels, half) : pixels;
  return aten('mul.Scalar', centres, scale);
}

/** The nearest of `from` rows or columns for each of `to`, int64. */
function nearest(aten: Aten, from: number, to: number, attributes: Attributes): TorchTensor {
  const places = sources(aten, from, to, attributes, 0.5);
  const rounded = aten('floor', attributes.alignCorners ? aten('add.Scalar', places, 0.5) : places);
  return aten('to.dtype', aten('clamp', rounded, 0, from - 1), scalarType('int64'));
}

/** The two rows or columns that each new one lies between, and the share of the second. */
function between(aten: Aten, from: number, to: number, attributes: Attributes) {
  const places = sources(aten, from, to, attributes, 0);
  const lower = aten('floor', places);
  const index = (t: TorchTensor) => aten('to.dtype', aten('clamp', t, 0, from - 1), scalarType('int64'));
  return {
    lower: index(lower),
    upper: index(aten('ceil', places)),
    share: aten('to.dtype', aten('sub.Tensor', places, lower), scalarType('float32')),
  };
}

/** libtorch's bilinear resizing knows tfjs's alignments but its default, where pixel `i` of `to` lies at `i · from / to`. */
const isKnownToLibtorch = ({ alignCorners, halfPixelCenters }: Attributes) =>
  alignCorners || halfPixelCenters;

function floats(aten: Aten, x: TorchTensor): TorchTensor {
  return x.dtype === 'float32' ? x : aten('to.dtype', x, scalarType('float32'));
}

function resizeBilinear({ inputs: { images }, attributes, aten }: Call): TorchTensor {
  const { size, alignCorners } = attributes;
  const x = floats(aten, images!);
  if (isKnownToLibtorch(attributes))
    return toNhwc(aten, aten('upsample_bilinear2d', toNchw(aten, x), size, alignCorners));
  return (size as number[]).reduce((y, to, i) => {
    const axis = i + 1;
    const { lower, upper, share } = between(aten, y.shape[axis]!, to, attributes);
    const weight = aten('reshape', share, axis === 1 ? [-1, 1, 1] : [-1, 1]);
    return aten(
      'lerp.Tensor',
      aten('index_select', y, axis, lower),
      aten('index_select', y, axis, upper),
      weight,
    );
  }, x);
}

function resizeBilinearGradient({ inputs: { dy, images }, attributes, aten }: Call): TorchTensor {
  const [batch, height, width, channels] = images!.shape as [number, number, number, number];
  const upstream = floats(aten, dy!);
  if (isKnownToLibtorch(attributes)) {
    const dx = aten(
      'upsample_bilinear2d_backward',
      toNchw(aten, upstream),
      dy!.shape.slice(1, 3),
      [batch, channels, height, width],
      attributes.alignCorners,
    );
    return toNhwc(aten, dx);
  }
  return [height, width].reduce((dx, from, i) => {
    const axis = i + 1;
    const { lower, upper, share } = between(aten, from, dx.shape[axis]!, attributes);
    const second = aten('mul.Tensor', dx, aten('reshape', share, axis === 1 ? [-1, 1, 1] : [-1, 1]));
    const zeros = aten('new_zeros', dx, dx.shape.with(axis, from));
    const first = aten('index_add', zeros, axis, lower, aten('sub.Tensor', dx, second));
    return aten('index_add', first, axis, upper, second);
  }, upstream);
}

function resizeNearest({ inputs: { images }, attributes, aten }: Call): TorchTensor {
  return (attributes.size as number[]).reduce(
    (y, to, i) => aten('index_select', y, i + 1, nearest(aten, y.shape[i + 1]!, to, attributes)),
    images!,
  );
}

function resizeNearestGradient({ inputs: { dy, images }, attributes, aten }: Call): TorchTensor {
  return images!.shape.slice(1, 3).reduce((dx, from, i) => {
    const axis = i + 1;
    const zeros = aten('new_zeros', dx, dx.shape.with(axis, from));
    return aten('index_add', zeros, axis, nearest(aten, from, dx.shape[axis]!, attributes), dx);
  }, dy!);
}

export const resizingKernels: Kernels = {
  ResizeBilinear: resizeBilinear,
  ResizeBilinearGrad: resizeBilinearGradient,
  ResizeNearestNeighbor: resizeNearest,
  ResizeNearestNeighborGrad: resizeNearestGradient,
};
