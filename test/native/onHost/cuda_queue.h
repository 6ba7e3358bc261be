// Where the launches of onHost/cuda_runtime.h go: they run at once, or wait in the queue of a simulated device's stream.
#pragma once
#include <functional>

namespace onHost {

/// Blocks that the device runs at once.
inline int residentBlocks = 1;
inline std::function<void(void* stream, std::function<void()> work)> queue = [](void*, const std::function<void()>& work) {
  work();
};

}  // namespace onHost
