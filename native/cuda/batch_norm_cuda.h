// The kernels of batch normalisation on a GPU as C++ sees them, alone or with the Padé activation behind it or behind its sum with
// a residual block's other branch: native/batch_norm_cuda.cu has them. No torch, no CUDA header.
#pragma once
#include <cstdint>

#include "pade_cuda.h"

namespace pade {
namespace cuda {

/// One call over x [values, channels] in row-major order. Pointers are to device memory; per channel everything is float32.
struct BatchNorm {
  const void* x = nullptr;
  const void* residual = nullptr;  // added before the activation; null for none
  const void* gradient = nullptr;  // by the result; only backward
  const void* otherGradient = nullptr;  // added to it, with a residual; null for none
  void* out = nullptr;             // the result, or the gradient by x
  void* dresidual = nullptr;       // the gradient by the residual
  int64_t values = 0, channels = 0;
  const float *gamma = nullptr, *beta = nullptr;
  float *mean = nullptr, *inverse = nullptr;  // forward writes them, backward reads them
  float *runningMean = nullptr, *runningVariance = nullptr;
  double momentum = 0, epsilon = 0;
  float *dgamma = nullptr, *dbeta = nullptr;
  bool isActivated = false;
  Call activation;  // its coefficients (one set), orders, form and q
  float *numerator = nullptr, *denominator = nullptr;  // the gradients by its coefficients
};

/// Whether there is a kernel for the activation's form and orders: others run as an operator of their own.
bool isFused(const BatchNorm& call);

/// Bytes of device memory that a call needs for partial sums.
int64_t scratchBytes(const BatchNorm& call, Type type);

/// Queues the kernels on a stream of the current device.
/// @param stream a cudaStream_t
/// @return null, or what CUDA says went wrong
const char* batchNormForward(const BatchNorm& call, Type type, void* scratch, void* stream);
const char* batchNormBackward(const BatchNorm& call, Type type, void* scratch, void* stream);

}  // namespace cuda
}  // namespace pade
