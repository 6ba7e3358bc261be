// The kernels of each instruction set: pade_baseline.cpp and its siblings define them, pade_kernels.cpp chooses.
#pragma once
#include "pade.h"

namespace pade {

template <typename T> RunKernels<T> baselineKernels(const Shape& shape, bool noisy);
template <typename T> RunKernels<T> avx2Kernels(const Shape& shape, bool noisy);
template <typename T> RunKernels<T> avx512Kernels(const Shape& shape, bool noisy);
template <typename T> RunKernels<T> avx512Bfloat16Kernels(const Shape& shape, bool noisy);

}  // namespace pade

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define PADE_MULTIVERSIONED
#endif
// A 64-byte vector passed between inlined functions never crosses an ABI.
#pragma GCC diagnostic ignored "-Wpsabi"
