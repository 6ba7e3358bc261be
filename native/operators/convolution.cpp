// padezoo::patch_convolution and its gradients on NHWC memory: convolutions as products of matrices, one row a patch.
//
// oneDNN's kernels work along an image's row. Where that is short they are idle most of the time (512 channels of 2x2
// pixels in bfloat16: 120 GFLOP/s forward, 45 for the filter's gradient, on a core whose matrix product reaches 900), and so
// are they for the filter's gradient in bfloat16 up to 8x8 pixels. A filter is [o, h, w, i] in memory: a row per output.
#include <torch/library.h>

#include "channels.h"
#include "windows.h"

namespace padezoo {
namespace {

/// A patch is a stretch of x itself: a pixel, or the whole image.
bool isPlain(const Windows& w) {
  if (w.top != 0 || w.left != 0) return false;
  const bool single = w.taps() == 1 && w.strideY == 1 && w.strideX == 1 && w.outHeight == w.height && w.outWidth == w.width;
  const bool whole = w.filterHeight == w.height && w.filterWidth == w.width && w.outHeight * w.outWidth == 1 && w.dilationY == 1 && w.dilationX == 1;
  return single || whole;
}

/// [windows, patch]: what each result is computed from, zero where the window leaves the image.
template <typename T>
void gather(const T* x, T* patches, const Windows& w) {
  const size_t pixel = w.channels * sizeof(T);
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, w.patch()));
  at::parallel_for(0, w.count(), grain, [&](int64_t begin, int64_t end) {
    T* to = patches + begin * w.patch();
    for (int64_t window = begin; window < end; window++) {
      const int64_t n = window / (w.outHeight * w.outWidth);
      const int64_t firstY = window / w.outWidth % w.outHeight * w.strideY - w.top, firstX = window % w.outWidth * w.strideX - w.left;
      for (int64_t fy = 0; fy < w.filterHeight; fy++)
        for (int64_t fx = 0; fx < w.filterWidth; fx++, to += w.channels) {
          const int64_t y = firstY + fy * w.dilationY, column = firstX + fx * w.dilationX;
          const bool isInside = y >= 0 && y < w.height && column >= 0 && column < w.width;
          if (isInside) std::memcpy(to, x + ((n * w.height + y) * w.width + column) * w.channels, pixel);
          else std::memset(to, 0, pixel);
        }
    }
  });
}

/// x as a matrix of patches; a view where they lie side by side already.
at::Tensor patchesOf(const at::Tensor& x, const Windows& w) {
  if (isPlain(w)) return x.view({w.count(), w.patch()});
  TORCH_CHECK(x.is_cpu(), "patches are gathered on a CPU alone, x is on ", x.device());
  at::Tensor patches = at::empty({w.count(), w.patch()}, x.options());
  if (x.scalar_type() == at::kFloat) gather(x.data_ptr<float>(), patches.data_ptr<float>(), w);
  else gather(static_cast<const Bfloat16*>(x.data_ptr()), static_cast<Bfloat16*>(patches.data_ptr()), w);
  return patches;
}

/// `gather` backwards: every pixel gets the sum over the patches that it is in, always in the same order.
template <typename T>
void scatter(const T* patches, T* dx, const Windows& w) {
  at::parallel_for(0, w.images * w.height, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> sum(w.channels), wide(w.channels);
    for (int64_t row = begin; row < end; row++) {
      const T* image = patches + row / w.height * w.outHeight * w.outWidth * w.patch();
      for (int64_t column = 0; column < w.width; column++) {
        T* pixel = dx + (row * w.width + column) * w.channels;
        float* total = target(pixel, sum.data());
        std::fill_n(total, w.channels, 0.0f);
        w.forWindowsAt(row % w.height, column, [&](int64_t tap, int64_t window) {
          addAll(total, floats(image + (window * w.taps() + tap) * w.channels, wide.data(), w.channels), w.channels);
        });
        put(total, pixel, w.channels);
      }
    }
  });
}

/// The filter [h, w, i, o] as [o, h·w·i]: a view of the memory that the engine gives its filters.
at::Tensor filterRows(const at::Tensor& filter) {
  return filter.permute({3, 0, 1, 2}).contiguous().view({filter.size(3), -1});
}

/// For a filter [h, w, i, o].
Windows windowsFor(at::IntArrayRef x, const at::Tensor& filter, at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  TORCH_CHECK(filter.dim() == 4 && x.size() == 4 && filter.size(2) == x[3], "x must be [n, h, w, i] and the filter [h, w, i, o], got ",
              x, " and ", filter.sizes());
  return windowsOf(x, filter.sizes().slice(0, 2), stride, padding, dilation);
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& filter, const c10::optional<at::Tensor>& bias, at::IntArrayRef stride,
                    at::IntArrayRef padding, at::IntArrayRef dilation) {
  checkOperands(x, filter);
  const Windows w = windowsFor(x.sizes(), filter, stride, padding, dilation);
  const at::Tensor patches = patchesOf(x.contiguous(), w), rows = filterRows(filter).t();
  const at::Tensor y = bias ? at::addmm(*bias, patches, rows) : at::mm(patches, rows);
  return y.view({w.images, w.outHeight, w.outWidth, filter.size(3)});
}

at::Tensor inputGradient(const at::Tensor& dy, const at::Tensor& filter, at::IntArrayRef size, at::IntArrayRef stride,
                         at::IntArrayRef padding, at::IntArrayRef dilation) {
  checkOperands(dy, filter);
  TORCH_CHECK(size.size() == 2 && dy.dim() == 4, "size is height and width, dy is [n, h, w, o], got ", size, " and ", dy.sizes());
  const Windows w = windowsFor({dy.size(0), size[0], size[1], filter.size(2)}, filter, stride, padding, dilation);
  checkUpstream(dy, w, filter.size(3));
  const at::Tensor patches = at::mm(dy.contiguous().view({w.count(), filter.size(3)}), filterRows(filter));
  if (isPlain(w)) return patches.view({w.images, w.height, w.width, w.channels});
  TORCH_CHECK(dy.is_cpu(), "patches are gathered on a CPU alone, dy is on ", dy.device());
  at::Tensor dx = at::empty({w.images, w.height, w.width, w.channels}, dy.options());
  if (dy.scalar_type() == at::kFloat) scatter(patches.data_ptr<float>(), dx.data_ptr<float>(), w);
  else scatter(static_cast<const Bfloat16*>(patches.data_ptr()), static_cast<Bfloat16*>(dx.data_ptr()), w);
  return dx;
}

/// @returns [h, w, i, o] in the memory of [o, h, w, i]
at::Tensor filterGradient(const at::Tensor& dy, const at::Tensor& x, at::IntArrayRef size, at::IntArrayRef stride,
                          at::IntArrayRef padding, at::IntArrayRef dilation) {
  checkOperands(dy, x);
  TORCH_CHECK(dy.dim() == 4, "dy must be [n, h, w, o], got ", dy.sizes());
  const Windows w = windowsOf(x.sizes(), size, stride, padding, dilation);
  const int64_t filters = dy.size(3);
  checkUpstream(dy, w, filters);
  const at::Tensor rows = at::mm(dy.contiguous().view({w.count(), filters}).t(), patchesOf(x.contiguous(), w));
  return rows.view({filters, w.filterHeight, w.filterWidth, w.channels}).permute({1, 2, 3, 0});
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def("patch_convolution(Tensor x, Tensor filter, Tensor? bias, int[] stride, int[] padding, int[] dilation) -> Tensor");
  library.def("patch_convolution_input(Tensor dy, Tensor filter, int[] size, int[] stride, int[] padding, int[] dilation) -> Tensor");
  library.def("patch_convolution_filter(Tensor dy, Tensor x, int[] size, int[] stride, int[] padding, int[] dilation) -> Tensor");
}

// On other devices where patches are x itself.
TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) {
  library.impl("patch_convolution", &convolve);
  library.impl("patch_convolution_input", &inputGradient);
  library.impl("patch_convolution_filter", &filterGradient);
}

}  // namespace padezoo
