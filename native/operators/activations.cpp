// The baseline activations that ATen has no fused operator for, forward and backward, on float32 and bfloat16:
// padezoo::hinges (PReLU, mixture, APL, SReLU), padezoo::random_slopes (RReLU) and padezoo::maxout; and, where ATen's are
// slow, padezoo::exponential_unit (CELU, and ELU's forward pass; its gradient is ATen's, by the output) and padezoo::swish.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <array>
#include <cstring>
#include <tuple>
#include <vector>

#include "pade.h"
#include "pade_noise.h"

#pragma GCC diagnostic ignored "-Wpsabi"

namespace padezoo {
namespace {

using at::Tensor;
using pade::Bfloat16;
using pade::drawsOf;
using pade::kLanes;
using pade::spreadOf;

constexpr int kMaxHinges = 16;
constexpr int64_t kTile = 2048;   // elements whose sums are float32 before they go on in float64
constexpr int64_t kBlock = 32768; // elements whose float64 sums are added up in order, whatever the threads

/// slope * x + sum of weight_j * max(0, side_j * (x - threshold_j))
struct Hinges {
  int count = 0;
  float slope = 0;
  float weight[kMaxHinges] = {}, threshold[kMaxHinges] = {}, side[kMaxHinges] = {};
};
struct HingeSums {
  double slope = 0;
  double weight[kMaxHinges] = {}, threshold[kMaxHinges] = {};
};
struct SlopeNoise {
  float mean, halfWidth;
  uint32_t before, shift;
};

template <typename T>
struct ActivationKernels {
  void (*hingesForward)(const T*, T*, int64_t, const Hinges&);
  void (*hingesBackward)(const T*, const T*, T*, int64_t, const Hinges&, HingeSums&);
  void (*randomSlopes)(const T*, const T*, T*, int64_t, uint32_t, const SlopeNoise&);
  void (*exponentialUnit)(const T*, T*, int64_t, float, float);
  void (*exponentialUnitBackward)(const T*, const T*, T*, int64_t, float, float);
  void (*swish)(const T*, T*, int64_t, float);
  void (*swishBackward)(const T*, const T*, T*, int64_t, float);
  void (*maxoutForward)(const T*, T*, int64_t);  // of pairs
  void (*maxoutBackward)(const T*, const T*, T*, int64_t);
};

namespace baseline {
#include "activation_kernel.h"
}
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define PADEZOO_MULTIVERSIONED
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#include "activation_kernel.h"
}
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#include "activation_kernel.h"
}
#pragma GCC pop_options
#endif

template <typename T>
ActivationKernels<T> kernels(const Hinges& hinges = {}) {
#ifdef PADEZOO_MULTIVERSIONED
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return avx512::pick<T>(hinges);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::pick<T>(hinges);
#endif
  return baseline::pick<T>(hinges);
}

void check(const Tensor& x) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16, "x must be float32 or bfloat16, got ",
              x.scalar_type());
}
Tensor dense(const Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }
Tensor withLayoutOf(const Tensor& x, const Tensor& gradient) {
  TORCH_CHECK(gradient.sizes() == x.sizes() && gradient.scalar_type() == x.scalar_type(), "the gradient must look like x");
  return gradient.strides() == x.strides() ? gradient : at::empty_like(x).copy_(gradient);
}

/// Calls `body(pointers, count of vectors, index of the first element)` for tiles; the last, partial vector comes alone.
template <typename T, size_t Inputs, typename Body>
void forTile(const std::array<const T*, Inputs>& inputs, T* out, int64_t begin, int64_t count, const Body& body) {
  std::array<const T*, Inputs> at;
  for (size_t i = 0; i < Inputs; i++) at[i] = inputs[i] + begin;
  const int64_t whole = count / kLanes, rest = count % kLanes;
  if (whole > 0) body(at, out + begin, whole, static_cast<uint32_t>(begin));
  if (rest == 0) return;
  T lanes[Inputs + 1][kLanes] = {};
  for (size_t i = 0; i < Inputs; i++) {
    std::memcpy(lanes[i], at[i] + whole * kLanes, rest * sizeof(T));
    at[i] = lanes[i];
  }
  body(at, lanes[Inputs], 1, static_cast<uint32_t>(begin + whole * kLanes));
  std::memcpy(out + begin + whole * kLanes, lanes[Inputs], rest * sizeof(T));
}

template <typename Body>
void forBlocks(int64_t elements, const Body& body) {
  at::parallel_for(0, (elements + kBlock - 1) / kBlock, 1, [&](int64_t from, int64_t to) {
    for (int64_t block = from; block < to; block++)
      for (int64_t at = block * kBlock; at < std::min(elements, (block + 1) * kBlock); at += kTile)
        body(block, at, std::min(kTile, elements - at));
  });
}

template <typename Body>
void dispatch(const Tensor& x, const Body& body) {
  if (x.scalar_type() == at::kBFloat16) body(Bfloat16{});
  else body(float{});
}

Hinges readHinges(const Tensor& slope, const Tensor& weights, const Tensor& thresholds, at::ArrayRef<int64_t> sides) {
  TORCH_CHECK(slope.numel() == 1 && weights.dim() == 1 && thresholds.sizes() == weights.sizes() &&
                  static_cast<int64_t>(sides.size()) == weights.numel() && weights.numel() <= kMaxHinges,
              "hinges need a slope, and up to ", kMaxHinges, " weights with a threshold and a side each");
  Hinges h;
  h.count = static_cast<int>(sides.size());
  h.slope = slope.item<float>();
  const Tensor w = weights.to(at::kFloat).contiguous(), t = thresholds.to(at::kFloat).contiguous();
  for (int j = 0; j < h.count; j++) {
    h.weight[j] = w.data_ptr<float>()[j];
    h.threshold[j] = t.data_ptr<float>()[j];
    h.side[j] = sides[j] > 0 ? 1 : -1;
  }
  return h;
}

Tensor hinges(const Tensor& input, const Tensor& slope, const Tensor& weights, const Tensor& thresholds,
              at::ArrayRef<int64_t> sides) {
  check(input);
  const Hinges h = readHinges(slope, weights, thresholds, sides);
  const Tensor x = dense(input);
  Tensor y = at::empty_like(x);
  dispatch(x, [&](auto type) {
    using T = decltype(type);
    const auto kernel = kernels<T>(h).hingesForward;
    const std::array<const T*, 1> from{static_cast<const T*>(x.data_ptr())};
    T* to = static_cast<T*>(y.data_ptr());
    forBlocks(x.numel(), [&](int64_t, int64_t begin, int64_t count) {
      forTile<T>(from, to, begin, count, [&](const auto& at, T* out, int64_t vectors, uint32_t) { kernel(at[0], out, vectors, h); });
    });
  });
  return y;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> hingesBackward(const Tensor& gradient, const Tensor& input, const Tensor& slope,
                                                          const Tensor& weights, const Tensor& thresholds,
                                                          at::ArrayRef<int64_t> sides) {
  check(input);
  const Hinges h = readHinges(slope, weights, thresholds, sides);
  const Tensor x = dense(input), g = withLayoutOf(x, gradient);
  Tensor dx = at::empty_like(x);
  std::vector<HingeSums> sums((x.numel() + kBlock - 1) / kBlock);
  dispatch(x, [&](auto type) {
    using T = decltype(type);
    const auto kernel = kernels<T>(h).hingesBackward;
    const std::array<const T*, 2> from{static_cast<const T*>(g.data_ptr()), static_cast<const T*>(x.data_ptr())};
    T* to = static_cast<T*>(dx.data_ptr());
    forBlocks(x.numel(), [&](int64_t block, int64_t begin, int64_t count) {
      forTile<T>(from, to, begin, count, [&](const auto& at, T* out, int64_t vectors, uint32_t) {
        kernel(at[0], at[1], out, vectors, h, sums[block]);
      });
    });
  });
  HingeSums total;
  for (const HingeSums& block : sums) {
    total.slope += block.slope;
    for (int j = 0; j < h.count; j++) {
      total.weight[j] += block.weight[j];
      total.threshold[j] += block.threshold[j];
    }
  }
  const auto vector = [&](const double* values, const Tensor& like) {
    Tensor result = at::empty(like.sizes(), at::kDouble);
    std::memcpy(result.data_ptr<double>(), values, like.numel() * sizeof(double));
    return result.to(like.scalar_type());
  };
  return {dx, vector(&total.slope, slope), vector(total.weight, weights), vector(total.threshold, thresholds)};
}

Tensor randomSlopes(const Tensor& of, const Tensor& input, const Tensor& key, double lower, double upper) {
  check(input);
  TORCH_CHECK(input.numel() <= int64_t{1} << 32, "random_slopes is for up to 2^32 elements, got ", input.numel());
  const Tensor x = input.contiguous(), from = withLayoutOf(x, of);  // the draws belong to the row-major order
  const Tensor words = key.to(at::kLong);
  SlopeNoise noise{static_cast<float>((lower + upper) / 2), static_cast<float>((upper - lower) / 2), 0, 0};
  pade::philox(0, static_cast<uint32_t>(words[0].item<int64_t>()), static_cast<uint32_t>(words[1].item<int64_t>()),
               noise.before, noise.shift);
  Tensor result = at::empty_like(x);
  dispatch(x, [&](auto type) {
    using T = decltype(type);
    const auto kernel = kernels<T>().randomSlopes;
    const std::array<const T*, 2> inputs{static_cast<const T*>(from.data_ptr()), static_cast<const T*>(x.data_ptr())};
    T* to = static_cast<T*>(result.data_ptr());
    forBlocks(x.numel(), [&](int64_t, int64_t begin, int64_t count) {
      forTile<T>(inputs, to, begin, count, [&](const auto& at, T* out, int64_t vectors, uint32_t first) {
        kernel(at[0], at[1], out, vectors, first, noise);
      });
    });
  });
  return result;
}

/// Of `pieces` values the index of the largest; NaN is larger than everything, and of equal ones the first counts.
template <typename T>
int64_t largestOf(const T* values, int64_t pieces) {
  int64_t best = 0;
  for (int64_t p = 1; p < pieces && !(values[best] != values[best]); p++)
    if (values[p] > values[best] || values[p] != values[p]) best = p;
  return best;
}

/// Among `pieces` consecutive channels the largest.
Tensor maxout(const Tensor& input, int64_t pieces) {
  check(input);
  TORCH_CHECK(pieces >= 1 && input.dim() >= 1 && input.size(-1) % pieces == 0, "maxout: ", pieces,
              " pieces do not divide the channels of ", input.sizes());
  const Tensor x = input.contiguous();
  auto shape = x.sizes().vec();
  shape.back() /= pieces;
  Tensor y = at::empty(shape, x.options());
  const int64_t paired = pieces == 2 ? y.numel() / kLanes : 0;  // vectors that the fast kernel takes
  dispatch(x, [&](auto type) {
    using T = decltype(type);
    const auto kernel = kernels<T>().maxoutForward;
    const T* from = static_cast<const T*>(x.data_ptr());
    T* to = static_cast<T*>(y.data_ptr());
    at::parallel_for(0, paired, kBlock / kLanes, [&](int64_t begin, int64_t end) {
      kernel(from + 2 * kLanes * begin, to + kLanes * begin, end - begin);
    });
  });
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "maxout", [&] {
    const scalar_t* from = x.data_ptr<scalar_t>();
    scalar_t* to = y.data_ptr<scalar_t>();
    at::parallel_for(paired * kLanes, y.numel(), kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) to[i] = from[pieces * i + largestOf(from + pieces * i, pieces)];
    });
  });
  return y;
}

Tensor maxoutBackward(const Tensor& gradient, const Tensor& input, int64_t pieces) {
  check(input);
  const Tensor x = input.contiguous(), g = gradient.contiguous();
  TORCH_CHECK(g.numel() * pieces == x.numel() && g.scalar_type() == x.scalar_type(), "the gradient must look like the output");
  Tensor dx = at::empty_like(x);
  const int64_t paired = pieces == 2 ? g.numel() / kLanes : 0;
  dispatch(x, [&](auto type) {
    using T = decltype(type);
    const auto kernel = kernels<T>().maxoutBackward;
    const T *from = static_cast<const T*>(x.data_ptr()), *upstream = static_cast<const T*>(g.data_ptr());
    T* to = static_cast<T*>(dx.data_ptr());
    at::parallel_for(0, paired, kBlock / kLanes, [&](int64_t begin, int64_t end) {
      kernel(upstream + kLanes * begin, from + 2 * kLanes * begin, to + 2 * kLanes * begin, end - begin);
    });
  });
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "maxout_backward", [&] {
    const scalar_t *from = x.data_ptr<scalar_t>(), *upstream = g.data_ptr<scalar_t>();
    scalar_t* to = dx.data_ptr<scalar_t>();
    at::parallel_for(paired * kLanes, g.numel(), kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t best = largestOf(from + pieces * i, pieces);
        for (int64_t p = 0; p < pieces; p++) to[pieces * i + p] = p == best ? upstream[i] : scalar_t(0);
      }
    });
  });
  return dx;
}

/// Both directions of a function without learned parameters, gradient first where there is one. `pick` says which of a
/// table's kernels it is; `parameters` are its last arguments.
template <size_t Inputs, typename Pick, typename... Parameters>
Tensor elementwise(const std::array<Tensor, Inputs>& inputs, const Pick& pick, Parameters... parameters) {
  Tensor out = at::empty_like(inputs[0]);
  dispatch(out, [&](auto type) {
    using T = decltype(type);
    std::array<const T*, Inputs> from;
    for (size_t i = 0; i < Inputs; i++) from[i] = static_cast<const T*>(inputs[i].data_ptr());
    T* to = static_cast<T*>(out.data_ptr());
    const auto kernel = pick(kernels<T>());
    forBlocks(out.numel(), [&](int64_t, int64_t begin, int64_t count) {
      forTile<T>(from, to, begin, count, [&](const auto& at, T* part, int64_t vectors, uint32_t) {
        std::apply([&](auto... pointers) { kernel(pointers..., part, vectors, parameters...); }, at);
      });
    });
  });
  return out;
}

Tensor exponentialUnit(const Tensor& input, double alpha, double rate) {
  check(input);
  const auto pick = [](const auto& table) { return table.exponentialUnit; };
  return elementwise<1>({dense(input)}, pick, static_cast<float>(alpha), static_cast<float>(rate));
}

Tensor exponentialUnitBackward(const Tensor& gradient, const Tensor& input, double alpha, double rate) {
  check(input);
  const Tensor x = dense(input);
  const auto pick = [](const auto& table) { return table.exponentialUnitBackward; };
  return elementwise<2>({withLayoutOf(x, gradient), x}, pick, static_cast<float>(alpha), static_cast<float>(rate));
}

Tensor swish(const Tensor& input, double beta) {
  check(input);
  return elementwise<1>({dense(input)}, [](const auto& table) { return table.swish; }, static_cast<float>(beta));
}

Tensor swishBackward(const Tensor& gradient, const Tensor& input, double beta) {
  check(input);
  const Tensor x = dense(input);
  const auto pick = [](const auto& table) { return table.swishBackward; };
  return elementwise<2>({withLayoutOf(x, gradient), x}, pick, static_cast<float>(beta));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def("hinges(Tensor x, Tensor slope, Tensor weights, Tensor thresholds, int[] sides) -> Tensor");
  library.def(
      "hinges_backward(Tensor gradient, Tensor x, Tensor slope, Tensor weights, Tensor thresholds, int[] sides)"
      " -> (Tensor x, Tensor slope, Tensor weights, Tensor thresholds)");
  library.def("random_slopes(Tensor self, Tensor x, Tensor key, float lower, float upper) -> Tensor");
  library.def("exponential_unit(Tensor x, float alpha, float rate) -> Tensor");
  library.def("exponential_unit_backward(Tensor gradient, Tensor x, float alpha, float rate) -> Tensor");
  library.def("swish(Tensor x, float beta) -> Tensor");
  library.def("swish_backward(Tensor gradient, Tensor x, float beta) -> Tensor");
  library.def("maxout(Tensor x, int pieces) -> Tensor");
  library.def("maxout_backward(Tensor gradient, Tensor x, int pieces) -> Tensor");
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) {
  library.impl("hinges", &hinges);
  library.impl("hinges_backward", &hingesBackward);
  library.impl("random_slopes", &randomSlopes);
  library.impl("exponential_unit", &exponentialUnit);
  library.impl("exponential_unit_backward", &exponentialUnitBackward);
  library.impl("swish", &swish);
  library.impl("swish_backward", &swishBackward);
  library.impl("maxout", &maxout);
  library.impl("maxout_backward", &maxoutBackward);
}

}  // namespace padezoo
