// Where the engine's tensors live, and what of a GPU is of interest: all through libtorch's device-neutral interfaces, so that
// one source builds against a CPU libtorch and a CUDA one.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <utility>

namespace padezoo {

/// `'cpu'`, `'cuda'` or `'cuda:1'` as a device that this libtorch and this machine have.
/// @throws std::invalid_argument that says what is missing
at::Device deviceOf(const std::string& name);

/// The GPUs that libtorch sees; 0 for a libtorch without CUDA.
int64_t gpuCount();
/// Whether this libtorch is built with CUDA.
bool hasCuda();

/// Bytes of a GPU in live tensors, and kept for reuse.
std::pair<int64_t, int64_t> gpuMemory(at::Device device);
void releaseGpuMemory(at::Device device);

/// float32 products and convolutions in TF32; cuDNN tries its algorithms out for each shape. Nothing on a CPU.
void setFastMath(bool tf32, bool tryOut);

}  // namespace padezoo
