// Chooses the Padé kernels for the CPU that the library runs on.
#include "pade_kernels.h"

#include <type_traits>

namespace pade {

template <typename T>
RunKernels<T> runKernels(const Shape& shape, bool noisy) {
#ifdef PADE_MULTIVERSIONED
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if constexpr (std::is_same_v<T, Bfloat16>)
    if (avx512 && __builtin_cpu_supports("avx512bf16")) return avx512Bfloat16Kernels<T>(shape, noisy);
  if (avx512) return avx512Kernels<T>(shape, noisy);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2Kernels<T>(shape, noisy);
#endif
  return baselineKernels<T>(shape, noisy);
}

template RunKernels<float> runKernels<float>(const Shape&, bool);
template RunKernels<Bfloat16> runKernels<Bfloat16>(const Shape&, bool);

}  // namespace pade
