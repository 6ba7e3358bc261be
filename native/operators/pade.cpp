// pade::forward and pade::backward on the CPU: threads over blocks, coefficient gradients in an order that no thread changes.
//
//   y = P(x) / Q(x),  P = sum a_i x^i (i = 0..m),  Q by `form` with lower bound `q` (Molina et al., ICLR 2020, Eq. 2)
//
// x: float32, bfloat16 (computed in float32) or float64. numerator [m + 1] and denominator [n] from degree 1 (from 0 for
// absolute-polynomial), or [groups, m + 1] and [groups, n]: channel c of C, x's last axis, has group floor(c * groups / C).
// With `noise` above 0 every coefficient is multiplied with U(1 - noise, 1 + noise), anew for every element; `key`
// (int32 or int64 [2]) chooses the draws.
#include <torch/library.h>

#include "pade_call.h"

namespace pade {
namespace {

template <typename T>
void forwardFast(const Tensor& x, Tensor& y, const Call& call, const Cut& cut) {
  const auto patterns = patternsOf(call, cut);
  const auto kernel = runKernels<T>(call.shape, call.noisy).forward;
  const T* from = static_cast<const T*>(x.data_ptr());
  T* to = static_cast<T*>(y.data_ptr());
  forBlocks(x.numel(), cut, [&](int64_t, int64_t begin, int64_t count) {
    forRuns<T>(nullptr, from, to, begin, count, cut.period, [&](const Run<T>& run, int64_t phase) {
      if (kernel(run, call.shape, patterns[phase], call.noise)) computeRare(run, phase, call, cut, nullptr);
    });
  });
}

template <typename T>
void backwardFast(const Tensor& gradient, const Tensor& x, Tensor& dx, const Call& call, const Cut& cut,
                  std::vector<Coefficients>& sums) {
  const auto patterns = patternsOf(call, cut);
  const auto kernels = runKernels<T>(call.shape, call.noisy);
  const int64_t groups = call.groups.size();
  const T *upstream = static_cast<const T*>(gradient.data_ptr()), *from = static_cast<const T*>(x.data_ptr());
  T* to = static_cast<T*>(dx.data_ptr());
  at::parallel_for(0, cut.blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; block++) {
      std::vector<LaneSums> lanes(patterns.size());
      Coefficients* blockSums = &sums[block * groups];
      forTiles(block, x.numel(), cut, [&](int64_t begin, int64_t count) {
        forRuns<T>(upstream, from, to, begin, count, cut.period, [&](const Run<T>& run, int64_t phase) {
          backwardRun(kernels, run, phase, patterns[phase], call, cut, lanes[phase], blockSums);
        });
      });
      for (size_t phase = 0; phase < lanes.size(); phase++) add(lanes[phase], phase, call, cut, blockSums);
    }
  });
}

/// Both directions in float64, element by element; `gradient` is null in forward.
void computeDouble(const double* gradient, const double* x, double* out, int64_t elements, const Call& call, const Cut& cut,
                   std::vector<Coefficients>* sums) {
  const int64_t groups = call.groups.size();
  forBlocks(elements, cut, [&](int64_t block, int64_t begin, int64_t count) {
    for (int64_t i = begin; i < begin + count; i++) {
      const int64_t group = cut.groupAt[i % cut.period];
      computeOne(gradient ? gradient[i] : 0, x[i], static_cast<uint32_t>(i), call.groups[group], call,
                 sums ? &(*sums)[block * groups + group] : nullptr, [&](double value) { out[i] = value; });
    }
  });
}

Tensor forward(const Tensor& input, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q,
               const OptionalTensor& key, double noise) {
  const Call call = readCall(numerator, denominator, form, q, key, noise);
  checkInput(input, call);
  const Tensor x = walkable(input, call);
  Tensor y = at::empty_like(x);
  const Cut cut(x, call.groups.size());
  if (x.scalar_type() == at::kDouble)
    computeDouble(nullptr, x.data_ptr<double>(), y.data_ptr<double>(), x.numel(), call, cut, nullptr);
  else if (x.scalar_type() == at::kBFloat16)
    forwardFast<Bfloat16>(x, y, call, cut);
  else
    forwardFast<float>(x, y, call, cut);
  return y;
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& gradient, const Tensor& input, const Tensor& numerator,
                                            const Tensor& denominator, c10::string_view form, double q,
                                            const OptionalTensor& key, double noise) {
  const Call call = readCall(numerator, denominator, form, q, key, noise);
  checkInput(input, call);
  TORCH_CHECK(gradient.sizes() == input.sizes() && gradient.scalar_type() == input.scalar_type(),
              "the gradient must look like x, got ", gradient.scalar_type(), " ", gradient.sizes(), " for ",
              input.scalar_type(), " ", input.sizes());
  const Tensor x = walkable(input, call);
  const Tensor g = gradient.strides() == x.strides() ? gradient : at::empty_like(x).copy_(gradient);
  Tensor dx = at::empty_like(x);
  const Cut cut(x, call.groups.size());
  std::vector<Coefficients> sums(cut.blocks * call.groups.size());
  if (x.scalar_type() == at::kDouble)
    computeDouble(g.data_ptr<double>(), x.data_ptr<double>(), dx.data_ptr<double>(), x.numel(), call, cut, &sums);
  else if (x.scalar_type() == at::kBFloat16)
    backwardFast<Bfloat16>(g, x, dx, call, cut, sums);
  else
    backwardFast<float>(g, x, dx, call, cut, sums);
  auto [da, db] = coefficientGradients(sums, call, numerator, denominator);
  return {dx, da, db};
}

}  // namespace

TORCH_LIBRARY(pade, library) {
  library.def(
      "forward(Tensor x, Tensor numerator, Tensor denominator, str form, float q, Tensor? key=None, float noise=0)"
      " -> Tensor");
  library.def(
      "backward(Tensor gradient, Tensor x, Tensor numerator, Tensor denominator, str form, float q, Tensor? key=None,"
      " float noise=0) -> (Tensor x, Tensor numerator, Tensor denominator)");
}

TORCH_LIBRARY_IMPL(pade, CPU, library) {
  library.impl("forward", &forward);
  library.impl("backward", &backward);
}

}  // namespace pade
