// padezoo::pixels: images of bytes as the numbers that each channel's table has for them; a table may normalise them.
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
  TORCH_CHECK((table.scalar_type() == at::kFloat || table.scalar_type() == at::kInt) &&
                  table.sizes() == at::IntArrayRef({shape.back(), kBytes}),
              "table must be float32 or int32 [", shape.back(), ", ", kBytes, "], got ", table.scalar_type(), " ", table.sizes());
}

/// `kChannels` is the number of channels where the compiler may know it, else 0.
template <typename Number, int64_t kChannels>
void lookUp(const uint8_t* bytes, const Number* table, Number* out, int64_t channels, int64_t from, int64_t to) {
  const int64_t step = kChannels ? kChannels : channels;
  for (int64_t pixel = from; pixel < to; pixel++)
    for (int64_t c = 0; c < step; c++) out[pixel * step + c] = table[c * kBytes + bytes[pixel * step + c]];
}

template <typename Number>
void lookUpAll(const at::Tensor& bytes, const at::Tensor& table, at::Tensor& out) {
  const int64_t channels = table.size(0);
  const auto run = channels == 1 ? lookUp<Number, 1> : channels == 3 ? lookUp<Number, 3> : lookUp<Number, 0>;
  at::parallel_for(0, out.numel() / channels, kPixels, [&](int64_t begin, int64_t end) {
    run(bytes.data_ptr<uint8_t>(), table.data_ptr<Number>(), out.data_ptr<Number>(), channels, begin, end);
  });
}

/// bytes -> table[c, byte], [..., c] of `shape`, in the table's type.
at::Tensor pixels(const at::Tensor& bytes, at::IntArrayRef shape, const at::Tensor& table) {
  checkPixels(bytes, shape, table);
  const at::Tensor values = table.contiguous();
  at::Tensor out = at::empty(shape, table.options());
  if (table.scalar_type() == at::kFloat) lookUpAll<float>(bytes, values, out);
  else lookUpAll<int32_t>(bytes, values, out);
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
