// padezoo::pixels: images of bytes as the float32 numbers that each channel's table has for them, which normalises them.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

namespace padezoo {
namespace {

constexpr int64_t kBytes = 256;       // that there are
constexpr int64_t kPixels = 1 << 14;  // of a thread's share, at least

void checkPixels(const at::Tensor& bytes, at::IntArrayRef shape, const at::Tensor& table) {
  TORCH_CHECK(!shape.empty() && shape.back() > 0, "shape must end in the number of channels, got ", shape);
  TORCH_CHECK(bytes.scalar_type() == at::kByte && bytes.is_contiguous() && bytes.numel() == c10::multiply_integers(shape),
              "bytes must be uint8 and as many as ", shape, " has, got ", bytes.scalar_type(), " ", bytes.sizes());
  TORCH_CHECK(table.scalar_type() == at::kFloat && table.sizes() == at::IntArrayRef({shape.back(), kBytes}),
              "table must be float32 [", shape.back(), ", ", kBytes, "], got ", table.scalar_type(), " ", table.sizes());
}

/// `kChannels` is the number of channels where the compiler may know it, else 0.
template <int64_t kChannels>
void lookUp(const uint8_t* bytes, const float* table, float* out, int64_t channels, int64_t from, int64_t to) {
  const int64_t step = kChannels ? kChannels : channels;
  for (int64_t pixel = from; pixel < to; pixel++)
    for (int64_t c = 0; c < step; c++) out[pixel * step + c] = table[c * kBytes + bytes[pixel * step + c]];
}

/// bytes -> table[c, byte], float32 [..., c] of `shape`.
at::Tensor pixels(const at::Tensor& bytes, at::IntArrayRef shape, const at::Tensor& table) {
  checkPixels(bytes, shape, table);
  const at::Tensor values = table.contiguous();
  at::Tensor out = at::empty(shape, at::kFloat);
  const int64_t channels = shape.back();
  const auto run = channels == 1 ? lookUp<1> : channels == 3 ? lookUp<3> : lookUp<0>;
  at::parallel_for(0, out.numel() / channels, kPixels, [&](int64_t begin, int64_t end) {
    run(bytes.data_ptr<uint8_t>(), values.data_ptr<float>(), out.data_ptr<float>(), channels, begin, end);
  });
  return out;
}

/// For devices without a kernel of ours; the bytes may be on the CPU.
at::Tensor composedPixels(const at::Tensor& bytes, at::IntArrayRef shape, const at::Tensor& table) {
  checkPixels(bytes, shape, table);
  const at::Tensor first = at::arange(shape.back(), table.options().dtype(at::kLong)).mul(kBytes);
  return at::take(table, bytes.to(table.device()).view(shape).to(at::kLong).add(first));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) { library.def("pixels(Tensor bytes, int[] shape, Tensor table) -> Tensor"); }

TORCH_LIBRARY_IMPL(padezoo, CPU, library) { library.impl("pixels", &pixels); }

TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) { library.impl("pixels", &composedPixels); }

}  // namespace padezoo
