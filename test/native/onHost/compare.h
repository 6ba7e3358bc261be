// What the programs that run kernels on the CPU have in common: the largest error, and the kernels' name of a type.
#pragma once
#include <cmath>
#include <type_traits>

#include "../../../native/cuda/pade_cuda.h"
#include "../../../native/cuda/pade_types.h"

namespace onHost {

/// Keeps the largest error, relative to the expected value or to `scale`; equal infinities and NaN have none.
inline void see(double& worst, double got, double expected, double scale) {
  if (std::isnan(got) && std::isnan(expected)) return;
  if (got == expected) return;  // infinities
  const double error = std::fabs(got - expected) / std::fmax(std::fabs(expected), scale);
  if (!(error <= worst)) worst = std::isnan(error) ? INFINITY : error;
}

template <typename T>
constexpr pade::cuda::Type typeOf = std::is_same<T, float>::value            ? pade::cuda::Type::Float32
                                    : std::is_same<T, pade::Bfloat16>::value ? pade::cuda::Type::Bfloat16
                                                                             : pade::cuda::Type::Float16;

}  // namespace onHost
