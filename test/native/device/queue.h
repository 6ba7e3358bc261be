// The simulated device's streams, as runtime.cpp has them: work that is queued runs when somebody waits for it, or is written
// down while its stream is being captured.
#pragma once
#include <functional>

namespace device {

/// @param stream a cudaStream_t
void enqueue(void* stream, std::function<void()> work);
bool isCapturing(void* stream);

}  // namespace device
