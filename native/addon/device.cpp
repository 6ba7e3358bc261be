// The device's figures and settings; see device.h.
#include "device.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/version.h>

#include <stdexcept>

#if __has_include(<c10/core/CachingDeviceAllocator.h>)
#include <c10/core/CachingDeviceAllocator.h>
#endif
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 9)
#define PADEZOO_DEVICE_ALLOCATOR
#endif

namespace padezoo {

// Not at::hasCUDA(), which is false of a libtorch with CUDA where there is no GPU.
bool hasCuda() { return c10::impl::hasDeviceGuardImpl(at::kCUDA); }

int64_t gpuCount() { return hasCuda() ? static_cast<int64_t>(c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount()) : 0; }

at::Device deviceOf(const std::string& name) {
  at::Device device(name);  // throws what it expects
  if (device.is_cpu()) return at::Device(at::kCPU);
  if (!device.is_cuda()) throw std::invalid_argument("device must be 'cpu', 'cuda' or 'cuda:1', got '" + name + "'");
  if (!device.has_index()) device.set_index(0);
  const int64_t count = gpuCount();
  if (count == 0) throw std::invalid_argument("CUDA finds no GPU on this machine (see `nvidia-smi`)");
  if (device.index() >= count)
    throw std::invalid_argument("there is no " + device.str() + ": this machine has " + std::to_string(count) +
                                (count == 1 ? " GPU, cuda:0" : " GPUs, cuda:0 to cuda:" + std::to_string(count - 1)));
  return device;
}

std::pair<int64_t, int64_t> gpuMemory([[maybe_unused]] at::Device device) {
#ifdef PADEZOO_DEVICE_ALLOCATOR
  auto* allocator = c10::getDeviceAllocator(device.type());
  if (!allocator->initialized()) return {0, 0};
  const auto stats = allocator->getDeviceStats(device.index());
  const int64_t used = stats.allocated_bytes[0].current;  // of both pools, large and small
  return {used, stats.reserved_bytes[0].current - used};
#else
  return {0, 0};
#endif
}

void releaseGpuMemory([[maybe_unused]] at::Device device) {
#ifdef PADEZOO_DEVICE_ALLOCATOR
  auto* allocator = c10::getDeviceAllocator(device.type());
  if (allocator->initialized()) allocator->emptyCache();
#endif
}

void setFastMath(bool tf32, bool tryOut) {
  if (gpuCount() == 0) return;
  at::globalContext().setAllowTF32CuBLAS(tf32);
  at::globalContext().setAllowTF32CuDNN(tf32);
  at::globalContext().setBenchmarkCuDNN(tryOut);
  at::globalContext().setDeterministicCuDNN(!tryOut);  // what is fastest today may be another kernel tomorrow anyway
}

}  // namespace padezoo
