// What the programs that run kernels on the CPU have in common: the largest error, and the kernels' name of a type.
#pragma once
#include <cmath>
#include <type_traits>

#include "../../../native/cuda/pade_cuda.h"
#include "../../../native/cuda/pade_types.h"
#include "../../../native/operators/pade_reference.h"

namespace onHost {

/// Keeps the largest error, relative to the expected value or to `scale`; equal infinities and NaN have none.
inline void see(double& worst, double got, double expected, double scale) {
  if (std::isnan(got) && std::isnan(expected)) return;
  if (got == expected) return;  // infinities
  const double error = std::fabs(got - expected) / std::fmax(std::fabs(expected), scale);
  if (!(error <= worst)) worst = std::isnan(error) ? INFINITY : error;
}

/// What float32 works with on the way to y and its slope: where terms cancel, the error is of their size.
struct Sizes {
  double y = 0, slope = 0, q = 1;
};
inline Sizes sizesOf(const pade::Element& e, const pade::Coefficients& set, const pade::Shape& shape) {
  Sizes size;
  double dp = 0, ds = 0;
  for (int i = 0; i <= shape.m; i++) size.y += std::fabs(set.a[i] * e.ratio[i]);
  for (int k = shape.form == pade::Form::AbsolutePolynomial ? 0 : 1; k <= shape.n; k++) size.q += std::fabs(set.b[k] * e.ratio[k]);
  for (int i = 1; i <= shape.m; i++) dp += i * std::fabs(set.a[i] * e.ratio[i - 1]);
  for (int k = 1; k <= shape.n; k++) ds += k * std::fabs(set.b[k] * e.ratio[k - 1]);
  size.slope = (dp + size.y * ds) * size.q;
  size.y *= size.q;
  return size;
}

template <typename T>
constexpr pade::cuda::Type typeOf = std::is_same<T, float>::value            ? pade::cuda::Type::Float32
                                    : std::is_same<T, pade::Bfloat16>::value ? pade::cuda::Type::Bfloat16
                                                                             : pade::cuda::Type::Float16;

}  // namespace onHost
