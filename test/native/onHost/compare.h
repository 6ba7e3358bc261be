// What the programs that run kernels on the CPU have in common: the largest error, memory that nobody has written, and
// the kernels' name of a type.
#pragma once
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

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

/// As a T has it.
template <typename T>
float rounded(double v) {
  T narrow;
  pade::cuda::narrow(narrow, static_cast<float>(v));
  return pade::cuda::widen(narrow);
}

/// Memory that was never written and must not be beyond its end: NaN in all types.
template <typename V>
struct Poisoned {
  static constexpr size_t kGuard = 16;
  std::vector<V> memory;
  size_t size, shift;
  explicit Poisoned(size_t size, size_t shift = 0) : memory(size + kGuard + shift), size(size), shift(shift) { poison(); }
  void poison() { std::memset(static_cast<void*>(memory.data()), 0xff, memory.size() * sizeof(V)); }
  V* data() { return memory.data() + shift; }
  V& operator[](size_t i) { return memory[shift + i]; }
  bool isPoison(size_t i) const {
    V poison;
    std::memset(static_cast<void*>(&poison), 0xff, sizeof poison);
    return std::memcmp(&memory[i], &poison, sizeof poison) == 0;
  }
  /// Whether nothing was written beside it.
  bool isGuarded() const {
    for (size_t i = 0; i < memory.size(); i++)
      if ((i < shift || i >= shift + size) && !isPoison(i)) return false;
    return true;
  }
  /// Elements that kept their poison, or were written beside the tensor.
  int64_t faults() const {
    int64_t count = 0;
    for (size_t i = 0; i < memory.size(); i++) count += isPoison(i) == (i >= shift && i < shift + size);
    return count;
  }
  bool operator==(const Poisoned& other) const {
    return std::memcmp(memory.data(), other.memory.data(), memory.size() * sizeof(V)) == 0;
  }
};

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
