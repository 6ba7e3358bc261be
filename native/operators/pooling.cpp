// padezoo::max_pool and its gradient on NHWC memory, for windows that do not overlap (VGG's and LeNet's 2x2).
//
// libtorch's own kernels keep int64 indices, twice the bytes of what they pool; a byte is enough inside a window. Of equal
// elements the first in reading order is the maximum, as in PyTorch; a NaN is larger than any number.
#include <torch/library.h>

#include "channels.h"
#include "versions.h"

namespace padezoo {
namespace {

constexpr int64_t kMaxWindow = 15;  // places in a window fit a byte

struct Shape {
  int64_t images, height, width, channels;  // of x
  int64_t window;                           // its height, its width and both strides
  int64_t outHeight, outWidth;

  /// The first of x's rows under row `row` of the results, both counted over all images.
  int64_t firstRow(int64_t row) const { return row / outHeight * height + row % outHeight * window; }
  int64_t rowLength() const { return width * channels; }
  int64_t outRowLength() const { return outWidth * channels; }
};

Shape shapeOf(const at::Tensor& x, int64_t window) {
  TORCH_CHECK(x.dim() == 4 && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16),
              "x must be float32 or bfloat16 [n, h, w, c], got ", x.scalar_type(), " ",
              x.sizes());
  TORCH_CHECK(window >= 1 && window <= kMaxWindow && window <= x.size(1) && window <= x.size(2),
              "window must be from 1 to the image's size and to ", kMaxWindow, ", got ",
              window, " for ", x.sizes());
  return {x.size(0), x.size(1), x.size(2), x.size(3), window, x.size(1) / window, x.size(2) / window};
}

inline bool isLarger(float b, float a) { return b > a || (b != b && a == a); }

/// One row of results and their places in the window, from `window` rows of x.
PADEZOO_VERSIONS void forwardRow(const float* __restrict x, float* __restrict y, uint8_t* __restrict places,
                                 float* __restrict columns, int32_t* __restrict rows, int32_t* __restrict found,
                                 const Shape& s) {
  const int64_t length = s.rowLength(), channels = s.channels, window = s.window;
  for (int64_t i = 0; i < length; i++) {
    columns[i] = x[i];
    rows[i] = 0;
  }
  for (int64_t row = 1; row < window; row++) {
    const float* from = x + row * length;
    const int32_t place = static_cast<int32_t>(row * window);
    for (int64_t i = 0; i < length; i++) {
      const bool better = isLarger(from[i], columns[i]);
      columns[i] = better ? from[i] : columns[i];
      rows[i] = better ? place : rows[i];
    }
  }
  for (int64_t column = 0; column < s.outWidth; column++) {
    const float* value = columns + column * window * channels;
    const int32_t* row = rows + column * window * channels;
    float* best = y + column * channels;
    int32_t* place = found + column * channels;
    for (int64_t c = 0; c < channels; c++) {
      best[c] = value[c];
      place[c] = row[c];
    }
    for (int64_t k = 1; k < window; k++) {
      for (int64_t c = 0; c < channels; c++) {
        const float v = value[k * channels + c];
        const int32_t candidate = row[k * channels + c] + static_cast<int32_t>(k);
        const bool better = isLarger(v, best[c]) || (v == best[c] && candidate < place[c]);
        best[c] = better ? v : best[c];
        place[c] = better ? candidate : place[c];
      }
    }
  }
  for (int64_t i = 0; i < s.outRowLength(); i++) places[i] = static_cast<uint8_t>(found[i]);
}

/// Adds one row of gradients to `window` rows of dx, which are zero.
template <typename T>
void backwardRow(const T* dy, const uint8_t* places, T* dx, const int64_t* offsets, const Shape& s) {
  for (int64_t column = 0; column < s.outWidth; column++) {
    T* to = dx + column * s.window * s.channels;
    const int64_t from = column * s.channels;
    for (int64_t c = 0; c < s.channels; c++) to[offsets[places[from + c]] + c] = dy[from + c];
  }
}

/// Runs `body(begin, end)` over ranges of rows of results, on all threads.
template <typename Body>
void forRows(const Shape& s, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, s.rowLength() * s.window));
  at::parallel_for(0, s.images * s.outHeight, grain, body);
}

template <typename T>
void forwardAll(const at::Tensor& x, at::Tensor& y, at::Tensor& places, const Shape& s) {
  const T* from = static_cast<const T*>(x.data_ptr());
  T* to = static_cast<T*>(y.data_ptr());
  uint8_t* place = places.data_ptr<uint8_t>();
  forRows(s, [&](int64_t begin, int64_t end) {
    std::vector<float> columns(s.rowLength()), wide(s.rowLength() * s.window), best(s.outRowLength());
    std::vector<int32_t> rows(s.rowLength()), found(s.outRowLength());
    for (int64_t row = begin; row < end; row++) {
      const int64_t out = row * s.outRowLength();
      const float* window = floats(from + s.firstRow(row) * s.rowLength(), wide.data(), s.rowLength() * s.window);
      float* results = target(to + out, best.data());
      forwardRow(window, results, place + out, columns.data(), rows.data(), found.data(), s);
      put(results, to + out, s.outRowLength());  // exact: every result is one of x's values
    }
  });
}

std::tuple<at::Tensor, at::Tensor> maxPool(const at::Tensor& input, int64_t window) {
  const Shape s = shapeOf(input, window);
  const at::Tensor x = input.contiguous();
  at::Tensor y = at::empty({s.images, s.outHeight, s.outWidth, s.channels}, x.options());
  at::Tensor places = at::empty(y.sizes(), x.options().dtype(at::kByte));
  if (x.scalar_type() == at::kFloat) forwardAll<float>(x, y, places, s);
  else forwardAll<Bfloat16>(x, y, places, s);
  return {y, places};
}

template <typename T>
void backwardAll(const at::Tensor& dy, const at::Tensor& places, at::Tensor& dx, const Shape& s) {
  std::vector<int64_t> offsets(s.window * s.window);
  for (int64_t i = 0; i < s.window * s.window; i++)
    offsets[i] = i / s.window * s.rowLength() + i % s.window * s.channels;
  const T* upstream = static_cast<const T*>(dy.data_ptr());
  const uint8_t* place = places.data_ptr<uint8_t>();
  T* to = static_cast<T*>(dx.data_ptr());
  forRows(s, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t out = row * s.outRowLength();
      backwardRow(upstream + out, place + out, to + s.firstRow(row) * s.rowLength(), offsets.data(), s);
    }
  });
}

at::Tensor maxPoolBackward(const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& places, int64_t window) {
  const Shape s = shapeOf(input, window);
  const at::Tensor dy = gradient.contiguous();
  TORCH_CHECK(dy.sizes() == places.sizes() && dy.scalar_type() == input.scalar_type() && places.scalar_type() == at::kByte &&
                  places.is_contiguous() && dy.size(1) == s.outHeight && dy.size(2) == s.outWidth,
              "gradient and places must look like the result, got ", dy.scalar_type(), " ", dy.sizes(), " and ",
              places.scalar_type(), " ", places.sizes());
  at::Tensor dx = at::zeros(input.sizes(), input.options());
  if (dx.scalar_type() == at::kFloat) backwardAll<float>(dy, places, dx, s);
  else backwardAll<Bfloat16>(dy, places, dx, s);
  return dx;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def("max_pool(Tensor x, int window) -> (Tensor y, Tensor places)");
  library.def("max_pool_backward(Tensor gradient, Tensor x, Tensor places, int window) -> Tensor");
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) {
  library.impl("max_pool", &maxPool);
  library.impl("max_pool_backward", &maxPoolBackward);
}

}  // namespace padezoo
