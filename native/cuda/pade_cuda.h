// The Padé kernels of a GPU as C++ sees them: no torch, no CUDA header. native/pade_cuda.cu has them.
#pragma once
#include <cstdint>

#include "pade_element.h"

namespace pade {
namespace cuda {

enum class Type { Float32, Bfloat16, Float16 };

/// Bytes of device memory that `backward` needs for partial sums.
int64_t scratchBytes(const Call& call, Type type);

/// Queues the kernel on a stream of the current device.
/// @param stream a cudaStream_t
/// @return null, or what CUDA says went wrong
const char* forward(const Call& call, Type type, void* stream);

/// The same; the coefficients' gradients are float32 and look like the coefficients.
const char* backward(const Call& call, Type type, void* scratch, float* numerator, float* denominator, void* stream);

}  // namespace cuda
}  // namespace pade
