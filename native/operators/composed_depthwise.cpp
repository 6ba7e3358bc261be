// Depthwise convolutions on NHWC memory and their gradients, composed of ATen's convolution: for filters, strides and devices
// without kernels of ours, and forward on the CPU.
#include <torch/library.h>

#include <array>

#include "composed.h"
#include "windows.h"

namespace padezoo {
namespace composed {
namespace {

Tensor channelsFirst(const Tensor& nhwc) { return nhwc.permute({0, 3, 1, 2}); }
Tensor channelsLast(const Tensor& nchw) { return nchw.permute({0, 2, 3, 1}); }

/// [h, w, c, 1] as [c, 1, h, w].
Tensor filterOf(const Tensor& filter) { return filter.permute({2, 3, 0, 1}); }

/// Padding that ATen's convolution applies, the same before and after; else images are padded, or cut, before it.
struct Padding {
  Sizes given;

  bool isEven() const { return given[0] == given[1] && given[2] == given[3] && given[0] >= 0 && given[2] >= 0; }
  std::array<int64_t, 2> even() const { return isEven() ? std::array<int64_t, 2>{given[0], given[2]} : std::array<int64_t, 2>{}; }
  Tensor pad(const Tensor& nchw) const {
    return isEven() ? nchw : at::constant_pad_nd(nchw, {given[2], given[3], given[0], given[1]});
  }
  Tensor undo(const Tensor& nchw) const {
    return isEven() ? nchw : at::constant_pad_nd(nchw, {-given[2], -given[3], -given[0], -given[1]});
  }
};

/// What ATen does not multiply, and looks at the shape of alone.
Tensor shapeOnly(const Tensor& like, Sizes sizes) { return at::empty({1, 1, 1, 1}, like.options()).expand(sizes); }

/// One of the two gradients, by x or by the filter.
Tensor gradientOf(const Tensor& dy, const Tensor& x, const Tensor& filter, Sizes stride, const Padding& padding, Sizes dilation,
                  bool byX) {
  const auto even = padding.even();
  const auto [dx, dfilter, none] = at::convolution_backward(channelsFirst(dy), x, filter, c10::nullopt, stride, even, dilation, false,
                                                            {0, 0}, filter.size(0), {byX, !byX, false});
  return byX ? dx : dfilter;
}

}  // namespace

Tensor depthwise(const Tensor& x, const Tensor& filter, Sizes stride, Sizes padding, Sizes dilation) {
  const Windows w = depthwiseWindows(x.sizes(), filter, stride, padding, dilation);
  const Padding around{padding};
  return channelsLast(at::conv2d(around.pad(channelsFirst(x)), filterOf(filter), {}, stride, around.even(), dilation, w.channels));
}

Tensor depthwiseInput(const Tensor& dy, const Tensor& filter, Sizes size, Sizes stride, Sizes padding, Sizes dilation) {
  const Windows w = depthwiseWindows(imageOf(dy, filter, size), filter, stride, padding, dilation);
  checkUpstream(dy, w, w.channels);
  const Padding around{padding};
  const bool even = around.isEven();
  const int64_t height = w.height + (even ? 0 : padding[0] + padding[1]), width = w.width + (even ? 0 : padding[2] + padding[3]);
  const Tensor image = shapeOnly(dy, {w.images, w.channels, height, width});
  return channelsLast(around.undo(gradientOf(dy, image, filterOf(filter), stride, around, dilation, true)));
}

Tensor depthwiseFilter(const Tensor& dy, const Tensor& x, Sizes size, Sizes stride, Sizes padding, Sizes dilation) {
  const Windows w = windowsOf(x.sizes(), size, stride, padding, dilation);
  checkUpstream(dy, w, w.channels);
  const Padding around{padding};
  const Tensor like = shapeOnly(x, {w.channels, 1, w.filterHeight, w.filterWidth});
  const Tensor dfilter = gradientOf(dy, around.pad(channelsFirst(x)), like, stride, around, dilation, false);
  return dfilter.permute({2, 3, 0, 1}).to(at::kFloat);
}

TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) {
  library.impl("depthwise", &depthwise);
  library.impl("depthwise_input", &depthwiseInput);
  library.impl("depthwise_filter", &depthwiseFilter);
}

}  // namespace composed
}  // namespace padezoo
