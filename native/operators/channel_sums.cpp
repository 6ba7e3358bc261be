// padezoo::channel_sums: sums over all axes but the last, which is all that a bias's gradient is.
//
// ATen reduces slowly where the axis that stays is short.
#include <torch/library.h>

#include "channels.h"
#include "versions.h"

namespace padezoo {
namespace {

PADEZOO_VERSIONS void addTo(float* __restrict sums, const float* __restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) sums[i] += x[i];
}

template <typename T>
at::Tensor channelSumsOf(const at::Tensor& x) {
  const int64_t channels = x.size(-1), elements = x.numel();
  const pade::Cut cut(x, 1);
  const T* from = static_cast<const T*>(x.data_ptr());
  ChannelSums sums(channels, cut);
  sums.over(elements, [&](ChannelSums::Scratch& scratch, int64_t begin, int64_t count, int64_t) {
    float buffer[kTile];
    addTo(&scratch.first[begin % channels], floats(from + begin, buffer, count), count);
  });
  at::Tensor result = at::empty({channels}, at::kFloat);
  for (int64_t c = 0; c < channels; c++) result.data_ptr<float>()[c] = static_cast<float>(sums.first(c));
  return result;
}

/// The sums over all axes but the last, float32 [c].
at::Tensor channelSums(const at::Tensor& input) {
  checkInput(input);
  const at::Tensor x = input.contiguous();
  if (x.numel() == 0) return at::zeros({x.size(-1)}, at::kFloat);
  return x.scalar_type() == at::kFloat ? channelSumsOf<float>(x) : channelSumsOf<Bfloat16>(x);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) { library.def("channel_sums(Tensor x) -> Tensor"); }

TORCH_LIBRARY_IMPL(padezoo, CPU, library) { library.impl("channel_sums", &channelSums); }

}  // namespace padezoo
