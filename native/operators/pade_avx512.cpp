// The Padé kernels for CPUs with AVX-512.
#include "pade_kernels.h"
#include "pade_noise.h"

#ifdef PADE_MULTIVERSIONED
#define PADE_UNROLLED

namespace pade {
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")
namespace {
#include "pade_kernel.h"
}
#pragma GCC pop_options

template <typename T>
RunKernels<T> avx512Kernels(const Shape& shape, bool noisy) { return pick<T>(shape, noisy); }
template RunKernels<float> avx512Kernels<float>(const Shape&, bool);
template RunKernels<Bfloat16> avx512Kernels<Bfloat16>(const Shape&, bool);

}  // namespace pade
#endif
