// The Padé kernels for CPUs with AVX2 and FMA.
#include "pade_kernels.h"
#include "pade_noise.h"

#ifdef PADE_MULTIVERSIONED
#define PADE_UNROLLED

namespace pade {
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace {
#include "pade_kernel.h"
}
#pragma GCC pop_options

template <typename T>
RunKernels<T> avx2Kernels(const Shape& shape, bool noisy) { return pick<T>(shape, noisy); }
template RunKernels<float> avx2Kernels<float>(const Shape&, bool);
template RunKernels<Bfloat16> avx2Kernels<Bfloat16>(const Shape&, bool);

}  // namespace pade
#endif
