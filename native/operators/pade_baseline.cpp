// The Padé kernels with the instructions that every CPU of the architecture has.
#include "pade_kernels.h"
#include "pade_noise.h"

namespace pade {
namespace {
#include "pade_kernel.h"
}

template <typename T>
RunKernels<T> baselineKernels(const Shape& shape, bool noisy) { return pick<T>(shape, noisy); }
template RunKernels<float> baselineKernels<float>(const Shape&, bool);
template RunKernels<Bfloat16> baselineKernels<Bfloat16>(const Shape&, bool);

}  // namespace pade
