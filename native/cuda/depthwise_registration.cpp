// padezoo::depthwise and its gradients on CUDA tensors: checks, memory and the current stream, then the kernels of
// depthwise_cuda.cu; ATen's convolution, where they have none.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "../operators/composed.h"
#include "../operators/windows.h"
#include "depthwise_cuda.h"
#include "on_device.h"

namespace padezoo {
namespace {

using at::Tensor;
using composed::Sizes;
namespace cuda = pade::cuda;

/// The sizes of a call; it does not point to its tensors yet.
cuda::Depthwise callOf(const Windows& w) {
  cuda::Depthwise call;
  call.images = w.images;
  call.channels = w.channels;
  call.height = w.height;
  call.width = w.width;
  call.outHeight = w.outHeight;
  call.outWidth = w.outWidth;
  call.strideY = w.strideY;
  call.strideX = w.strideX;
  call.top = w.top;
  call.left = w.left;
  return call;
}

/// Whether there are kernels for the windows and the operands' type.
bool isTaken(const Windows& w, const Tensor& a, const Tensor& b) {
  checkOperands(a, b);
  TORCH_CHECK(a.device() == b.device(), "operands must be on one device, got ", a.device(), " and ", b.device());
  return w.filterHeight == 3 && w.filterWidth == 3 && w.dilationY == 1 && w.dilationX == 1 && cuda::isTaken(callOf(w));
}

Tensor forward(const Tensor& x, const Tensor& filter, Sizes stride, Sizes padding, Sizes dilation) {
  const Windows w = depthwiseWindows(x.sizes(), filter, stride, padding, dilation);
  if (!isTaken(w, x, filter)) return composed::depthwise(x, filter, stride, padding, dilation);
  const c10::DeviceGuard guard(x.device());
  const Tensor image = x.contiguous(), taps = filter.contiguous();
  const Tensor y = at::empty({w.images, w.outHeight, w.outWidth, w.channels}, x.options());
  if (y.numel() == 0) return y;
  cuda::Depthwise call = callOf(w);
  call.x = image.data_ptr();
  call.filter = taps.data_ptr();
  call.out = y.data_ptr();
  pade::check(cuda::depthwiseForward(call, pade::typeOf(x), pade::currentStream(x)));
  return y;
}

Tensor inputGradient(const Tensor& dy, const Tensor& filter, Sizes size, Sizes stride, Sizes padding, Sizes dilation) {
  const Windows w = depthwiseWindows(imageOf(dy, filter, size), filter, stride, padding, dilation);
  checkUpstream(dy, w, w.channels);
  if (!isTaken(w, dy, filter)) return composed::depthwiseInput(dy, filter, size, stride, padding, dilation);
  const c10::DeviceGuard guard(dy.device());
  const Tensor gradient = dy.contiguous(), taps = filter.contiguous();
  const Tensor dx = at::empty({w.images, w.height, w.width, w.channels}, dy.options());
  if (dx.numel() == 0) return dx;
  cuda::Depthwise call = callOf(w);
  call.gradient = gradient.data_ptr();
  call.filter = taps.data_ptr();
  call.out = dx.data_ptr();
  pade::check(cuda::depthwiseInput(call, pade::typeOf(dy), pade::currentStream(dy)));
  return dx;
}

Tensor filterGradient(const Tensor& dy, const Tensor& x, Sizes size, Sizes stride, Sizes padding, Sizes dilation) {
  const Windows w = windowsOf(x.sizes(), size, stride, padding, dilation);
  checkUpstream(dy, w, w.channels);
  if (!isTaken(w, dy, x)) return composed::depthwiseFilter(dy, x, size, stride, padding, dilation);
  const c10::DeviceGuard guard(x.device());
  const Tensor gradient = dy.contiguous(), image = x.contiguous();
  const Tensor dfilter = at::empty({w.filterHeight, w.filterWidth, w.channels, 1}, x.options().dtype(at::kFloat));
  if (x.numel() == 0) return dfilter.zero_();
  cuda::Depthwise call = callOf(w);
  call.x = image.data_ptr();
  call.gradient = gradient.data_ptr();
  call.dfilter = dfilter.data_ptr<float>();
  const cuda::Type type = pade::typeOf(x);
  const Tensor scratch = at::empty({cuda::scratchBytes(call, type)}, x.options().dtype(at::kByte));
  pade::check(cuda::depthwiseFilter(call, type, scratch.data_ptr(), pade::currentStream(x)));
  return dfilter;
}

}  // namespace

TORCH_LIBRARY_IMPL(padezoo, CUDA, library) {
  library.impl("depthwise", &forward);
  library.impl("depthwise_input", &inputGradient);
  library.impl("depthwise_filter", &filterGradient);
}

}  // namespace padezoo
