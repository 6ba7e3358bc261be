// Windows that slide over NHWC images: where each lies, and the windows that a pixel is in.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <array>

namespace padezoo {

struct Windows {
  int64_t images, height, width, channels;  // of x
  int64_t filterHeight, filterWidth;
  int64_t strideY, strideX, top, left, dilationY, dilationX;
  int64_t outHeight, outWidth;

  int64_t count() const { return images * outHeight * outWidth; }
  int64_t taps() const { return filterHeight * filterWidth; }
  /// A window's elements.
  int64_t patch() const { return taps() * channels; }

  /// Runs `body(tap, window)` for the windows that a pixel is in, in the order of the taps; windows count within its image.
  template <typename Body>
  void forWindowsAt(int64_t y, int64_t x, const Body& body) const {
    for (int64_t fy = 0; fy < filterHeight; fy++) {
      const int64_t fromY = y + top - fy * dilationY, oy = fromY / strideY;
      if (fromY < 0 || fromY % strideY != 0 || oy >= outHeight) continue;
      for (int64_t fx = 0; fx < filterWidth; fx++) {
        const int64_t fromX = x + left - fx * dilationX, ox = fromX / strideX;
        if (fromX < 0 || fromX % strideX != 0 || ox >= outWidth) continue;
        body(fy * filterWidth + fx, oy * outWidth + ox);
      }
    }
  }
};

/// @param x sizes [n, h, w, c]; filter: height, width; padding: top, bottom, left, right, of which those after the image may
///   cut it where they are negative
inline Windows windowsOf(at::IntArrayRef x, at::IntArrayRef filter, at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  TORCH_CHECK(x.size() == 4, "x must be [n, h, w, c], got ", x);
  TORCH_CHECK(filter.size() == 2 && stride.size() == 2 && padding.size() == 4 && dilation.size() == 2,
              "filter, stride and dilation are of height and width, padding is top, bottom, left, right, got ", filter, ", ",
              stride, ", ", dilation, " and ", padding);
  const auto windows = [&](int axis, int64_t before, int64_t after) {
    return (x[1 + axis] + before + after - dilation[axis] * (filter[axis] - 1) - 1) / stride[axis] + 1;
  };
  const int64_t outHeight = windows(0, padding[0], padding[1]), outWidth = windows(1, padding[2], padding[3]);
  TORCH_CHECK(outHeight > 0 && outWidth > 0, "the filter ", filter, " is larger than the padded image ", x);
  return {x[0], x[1], x[2], x[3], filter[0], filter[1], stride[0], stride[1], padding[0], padding[2], dilation[0], dilation[1], outHeight, outWidth};
}

/// The windows of a depthwise convolution by a filter [h, w, c, 1].
inline Windows depthwiseWindows(at::IntArrayRef x, const at::Tensor& filter, at::IntArrayRef stride, at::IntArrayRef padding,
                                at::IntArrayRef dilation) {
  TORCH_CHECK(filter.dim() == 4 && filter.size(3) == 1 && x.size() == 4 && filter.size(2) == x[3],
              "x must be [n, h, w, c] and the filter [h, w, c, 1], got ", x, " and ", filter.sizes());
  return windowsOf(x, filter.sizes().slice(0, 2), stride, padding, dilation);
}

/// The image's sizes [n, h, w, c], where a depthwise convolution's gradient is given. @param size height and width of the image
inline std::array<int64_t, 4> imageOf(const at::Tensor& dy, const at::Tensor& filter, at::IntArrayRef size) {
  TORCH_CHECK(size.size() == 2 && dy.dim() == 4 && filter.dim() == 4, "size is height and width, dy [n, h, w, c] and the filter [h, w, c, 1], got ",
              size, ", ", dy.sizes(), " and ", filter.sizes());
  return {dy.size(0), size[0], size[1], filter.size(2)};
}

inline void checkOperands(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK((a.scalar_type() == at::kFloat || a.scalar_type() == at::kBFloat16) && a.scalar_type() == b.scalar_type(),
              "operands must both be float32 or both bfloat16, got ", a.scalar_type(), " and ", b.scalar_type());
}

inline void checkUpstream(const at::Tensor& dy, const Windows& w, int64_t filters) {
  TORCH_CHECK(dy.dim() == 4 && dy.size(0) == w.images && dy.size(1) == w.outHeight && dy.size(2) == w.outWidth && dy.size(3) == filters,
              "dy must be [", w.images, ", ", w.outHeight, ", ", w.outWidth, ", ", filters, "], got ", dy.sizes());
}

}  // namespace padezoo
