// The Padé kernels for bfloat16 tensors on CPUs with AVX-512 and its bfloat16 conversions.
#include "pade_kernels.h"
#include "pade_noise.h"

#ifdef PADE_MULTIVERSIONED
#define PADE_UNROLLED
#define LANES_BFLOAT16
#include <immintrin.h>

namespace pade {
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma,prefer-vector-width=512")
namespace {
#include "pade_kernel.h"
}
#pragma GCC pop_options

template <typename T>
RunKernels<T> avx512Bfloat16Kernels(const Shape& shape, bool noisy) { return pick<T>(shape, noisy); }
template RunKernels<Bfloat16> avx512Bfloat16Kernels<Bfloat16>(const Shape&, bool);

}  // namespace pade
#endif
