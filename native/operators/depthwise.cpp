// padezoo::depthwise_input: the gradient of a depthwise convolution for its input, on NHWC memory.
//
// With a stride oneDNN runs one small convolution a channel in bfloat16: for MobileNetV2's three such layers that is half of
// what all its convolutions take. Here each pixel adds up its windows, which costs little more than to read and write them.
#include <torch/library.h>

#include "channels.h"
#include "windows.h"

namespace padezoo {
namespace {

/// @param factors [taps, channels]
template <typename T>
void run(const T* dy, const float* factors, T* dx, const Windows& w) {
  at::parallel_for(0, w.images * w.height, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> sum(w.channels), wide(w.channels);
    for (int64_t row = begin; row < end; row++) {
      const T* image = dy + row / w.height * w.outHeight * w.outWidth * w.channels;
      for (int64_t column = 0; column < w.width; column++) {
        T* pixel = dx + (row * w.width + column) * w.channels;
        float* total = target(pixel, sum.data());
        std::fill_n(total, w.channels, 0.0f);
        w.forWindowsAt(row % w.height, column, [&](int64_t tap, int64_t window) {
          addProducts(total, floats(image + window * w.channels, wide.data(), w.channels), factors + tap * w.channels, w.channels);
        });
        put(total, pixel, w.channels);
      }
    }
  });
}

/// @param filter [h, w, c, 1]
at::Tensor inputGradient(const at::Tensor& gradient, const at::Tensor& filter, at::IntArrayRef size, at::IntArrayRef stride,
                         at::IntArrayRef padding, at::IntArrayRef dilation) {
  checkOperands(gradient, filter);
  TORCH_CHECK(size.size() == 2 && gradient.dim() == 4 && filter.dim() == 4 && filter.size(3) == 1 && filter.size(2) == gradient.size(3),
              "size is height and width, dy [n, h, w, c] and the filter [h, w, c, 1], got ", size, ", ", gradient.sizes(), " and ",
              filter.sizes());
  const Windows w = windowsOf({gradient.size(0), size[0], size[1], filter.size(2)}, filter.sizes().slice(0, 2), stride, padding, dilation);
  TORCH_CHECK(gradient.size(1) == w.outHeight && gradient.size(2) == w.outWidth, "dy must be [n, ", w.outHeight, ", ", w.outWidth,
              ", c], got ", gradient.sizes());
  const at::Tensor dy = gradient.contiguous(), factors = filter.to(at::kFloat).contiguous();
  at::Tensor dx = at::empty({w.images, w.height, w.width, w.channels}, dy.options());
  const float* taps = factors.data_ptr<float>();
  if (dy.scalar_type() == at::kFloat) run(dy.data_ptr<float>(), taps, dx.data_ptr<float>(), w);
  else run(static_cast<const Bfloat16*>(dy.data_ptr()), taps, static_cast<Bfloat16*>(dx.data_ptr()), w);
  return dx;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def("depthwise_input(Tensor dy, Tensor filter, int[] size, int[] stride, int[] padding, int[] dilation) -> Tensor");
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) { library.impl("depthwise_input", &inputGradient); }

}  // namespace padezoo
