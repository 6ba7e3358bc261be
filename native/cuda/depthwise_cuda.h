// The kernels of depthwise convolutions on a GPU as C++ sees them: native/depthwise_cuda.cu has them. No torch, no CUDA header.
#pragma once
#include <cstdint>

#include "pade_cuda.h"

namespace pade {
namespace cuda {

/// One call on images [images, height, width, channels] in row-major order, filter [3, 3, channels]. Pointers are to device memory.
struct Depthwise {
  const void* x = nullptr;         // forward and the filter's gradient
  const void* gradient = nullptr;  // by y: both gradients
  const void* filter = nullptr;    // forward and the input's gradient, of the type of x
  void* out = nullptr;             // y, or the gradient by x
  float* dfilter = nullptr;        // the gradient by the filter
  int64_t images = 0, channels = 0;
  int64_t height = 0, width = 0, outHeight = 0, outWidth = 0;
  int64_t strideY = 1, strideX = 1, top = 0, left = 0;
};

/// Whether there are kernels for its strides, padding and sizes; filters are 3x3, without holes, types float32 and bfloat16.
bool isTaken(const Depthwise& call);

/// Bytes of device memory that the filter's gradient needs for partial sums.
int64_t scratchBytes(const Depthwise& call, Type type);

/// Queues the kernels on a stream of the current device.
/// @param stream a cudaStream_t
/// @return null, or what CUDA says went wrong
const char* depthwiseForward(const Depthwise& call, Type type, void* stream);
const char* depthwiseInput(const Depthwise& call, Type type, void* stream);
const char* depthwiseFilter(const Depthwise& call, Type type, void* scratch, void* stream);

}  // namespace cuda
}  // namespace pade
