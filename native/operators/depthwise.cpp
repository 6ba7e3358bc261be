// padezoo::depthwise on NHWC memory, and its gradients depthwise_input and depthwise_filter on the CPU. A GPU has kernels of its
// own (native/depthwise_cuda.cu); the rest is composed of ATen's (composed_depthwise.cpp), forward on the CPU as well.
//
// oneDNN copies images into a layout of its own for both, and with a stride runs one small convolution a channel in
// bfloat16: for MobileNetV2 that was most of what its convolutions took. Its forward pass copies nothing but the filter, and
// without a stride the input's gradient is one (src/engines/torch/kernels/convolution.ts). Here a row of dy meets the rows of the
// image under it, tap by tap, all channels side by side.
#include <torch/library.h>

#include "channels.h"
#include "windows.h"

namespace padezoo {
namespace {

/// Runs `body(tap, dyRow, xRow, pixels)` for all pairs of pixels that a row of windows has with a row of the image: offsets
/// of the first pair in elements, and how many pairs follow, a pixel of dy and `strideX` pixels of x further each.
template <typename Body>
void forTaps(const Windows& w, int64_t fy, const Body& body) {
  for (int64_t fx = 0; fx < w.filterWidth; fx++) {
    const int64_t shift = fx * w.dilationX - w.left;  // x = ox * strideX + shift
    const int64_t begin = shift < 0 ? (-shift + w.strideX - 1) / w.strideX : 0;
    const int64_t end = std::min(w.outWidth, shift < w.width ? (w.width - 1 - shift) / w.strideX + 1 : 0);
    if (begin < end) body(fy * w.filterWidth + fx, begin * w.channels, (begin * w.strideX + shift) * w.channels, end - begin);
  }
}

/// @param factors [taps, channels]
template <typename T>
void inputRows(const T* dy, const float* factors, T* dx, const Windows& w) {
  const int64_t length = w.width * w.channels, outLength = w.outWidth * w.channels;
  at::parallel_for(0, w.images * w.height, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> sums(length), wide(outLength);
    for (int64_t row = begin; row < end; row++) {
      const int64_t n = row / w.height, y = row % w.height;
      float* total = target(dx + row * length, sums.data());
      std::fill_n(total, length, 0.0f);
      for (int64_t fy = 0; fy < w.filterHeight; fy++) {
        const int64_t from = y + w.top - fy * w.dilationY, oy = from / w.strideY;
        if (from < 0 || from % w.strideY != 0 || oy >= w.outHeight) continue;
        const float* upstream = floats(dy + (n * w.outHeight + oy) * outLength, wide.data(), outLength);
        forTaps(w, fy, [&](int64_t tap, int64_t at, int64_t to, int64_t pixels) {
          for (int64_t i = 0; i < pixels; i++)
            addProducts(total + to + i * w.strideX * w.channels, upstream + at + i * w.channels, factors + tap * w.channels, w.channels);
        });
      }
      put(total, dx + row * length, length);
    }
  });
}

/// Adds in float32 along a row and in float64 over rows, in an order that no thread changes.
/// @return [taps, channels]
template <typename T>
std::vector<double> filterSums(const T* dy, const T* x, const Windows& w) {
  const int64_t length = w.width * w.channels, outLength = w.outWidth * w.channels;
  const int64_t rows = w.images * w.outHeight, parts = std::min<int64_t>(rows, 32);  // enough for the threads
  std::vector<double> sums(parts * w.patch());
  at::parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    std::vector<float> total(w.patch()), wide(length), wideDy(outLength);
    for (int64_t part = first; part < last; part++)
      for (int64_t row = part * rows / parts; row < (part + 1) * rows / parts; row++) {
        const int64_t n = row / w.outHeight, oy = row % w.outHeight;
        const float* upstream = floats(dy + row * outLength, wideDy.data(), outLength);
        for (int64_t fy = 0; fy < w.filterHeight; fy++) {
          const int64_t y = oy * w.strideY - w.top + fy * w.dilationY;
          if (y < 0 || y >= w.height) continue;
          const float* image = floats(x + (n * w.height + y) * length, wide.data(), length);
          forTaps(w, fy, [&](int64_t tap, int64_t at, int64_t from, int64_t pixels) {
            addProductsOfPixels(&total[tap * w.channels], upstream + at, image + from, w.channels, pixels, w.channels, w.strideX * w.channels);
          });
        }
        moveSums(&sums[part * w.patch()], total.data(), w.patch());
      }
  });
  for (int64_t part = 1; part < parts; part++)
    for (int64_t i = 0; i < w.patch(); i++) sums[i] += sums[part * w.patch() + i];
  sums.resize(w.patch());
  return sums;
}

/// @param filter [h, w, c, 1]; size: height and width of the image
at::Tensor inputGradient(const at::Tensor& gradient, const at::Tensor& filter, at::IntArrayRef size, at::IntArrayRef stride,
                         at::IntArrayRef padding, at::IntArrayRef dilation) {
  checkOperands(gradient, filter);
  const Windows w = depthwiseWindows(imageOf(gradient, filter, size), filter, stride, padding, dilation);
  checkUpstream(gradient, w, w.channels);
  const at::Tensor dy = gradient.contiguous(), factors = filter.to(at::kFloat).contiguous();
  at::Tensor dx = at::empty({w.images, w.height, w.width, w.channels}, dy.options());
  const float* taps = factors.data_ptr<float>();
  if (dy.scalar_type() == at::kFloat) inputRows(dy.data_ptr<float>(), taps, dx.data_ptr<float>(), w);
  else inputRows(static_cast<const Bfloat16*>(dy.data_ptr()), taps, static_cast<Bfloat16*>(dx.data_ptr()), w);
  return dx;
}

/// @param size height and width of the filter
/// @returns [h, w, c, 1], float32
at::Tensor filterGradient(const at::Tensor& gradient, const at::Tensor& image, at::IntArrayRef size, at::IntArrayRef stride,
                          at::IntArrayRef padding, at::IntArrayRef dilation) {
  checkOperands(gradient, image);
  const Windows w = windowsOf(image.sizes(), size, stride, padding, dilation);
  checkUpstream(gradient, w, w.channels);
  const at::Tensor dy = gradient.contiguous(), x = image.contiguous();
  const std::vector<double> sums =
      dy.scalar_type() == at::kFloat
          ? filterSums(dy.data_ptr<float>(), x.data_ptr<float>(), w)
          : filterSums(static_cast<const Bfloat16*>(dy.data_ptr()), static_cast<const Bfloat16*>(x.data_ptr()), w);
  at::Tensor result = at::empty({w.filterHeight, w.filterWidth, w.channels, 1}, dy.options().dtype(at::kFloat));
  std::copy(sums.begin(), sums.end(), result.data_ptr<float>());
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def("depthwise(Tensor x, Tensor filter, int[] stride, int[] padding, int[] dilation) -> Tensor");
  library.def("depthwise_input(Tensor dy, Tensor filter, int[] size, int[] stride, int[] padding, int[] dilation) -> Tensor");
  library.def("depthwise_filter(Tensor dy, Tensor x, int[] size, int[] stride, int[] padding, int[] dilation) -> Tensor");
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) {
  library.impl("depthwise_input", &inputGradient);
  library.impl("depthwise_filter", &filterGradient);
}

}  // namespace padezoo
