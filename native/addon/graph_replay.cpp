// Capturing and replaying; see graph_replay.h.
#include "graph_replay.h"

#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

// The device-neutral at::accelerator::Graph will not do: libtorch 2.14 has none for CUDA. Its CUDA one needs the toolkit's headers.
#if defined(PADEZOO_CUDA) && (TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1))
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#define PADEZOO_CUDA_GRAPHS
#endif

namespace padezoo {
namespace {

/// Runs call by call before the first capture: libraries choose their algorithms and get their memory meanwhile.
constexpr int kWarmUps = 3;
/// A step whose variables move this often is not captured again: a capture takes longer than many steps.
constexpr int kMostCaptures = 8;

#ifdef PADEZOO_CUDA_GRAPHS
/// Held through a capture: what waits for the device, as the beginning of one does, would break another thread's.
std::mutex capturing;

/// One for all captures on a device: libraries keep memory for every stream that they have seen. Called with `capturing` held.
c10::cuda::CUDAStream captureStream(c10::DeviceIndex device) {
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const auto found = streams.find(device);
  if (found != streams.end()) return found->second;
  return streams.emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)).first->second;
}

/// libtorch's CUDA graph; work is captured on a stream of its own, as CUDA wants it, and replayed on the current one.
class CudaGraph final : public StepGraph {
 public:
  explicit CudaGraph(at::Device device) : device_(device) {}
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  ~CudaGraph() override {
    outputs_.clear();
    graph_.~CUDAGraph();
  }

  void capture(const std::function<Tensors()>& work) override {
    const std::lock_guard<std::mutex> alone(capturing);
    const c10::cuda::CUDAStreamGuard onItsOwn(captureStream(device_.index()));
    c10::cuda::device_synchronize();
    // A graph has memory of its own: what the runs before it keep could not be had in the capture, and would be held twice.
    c10::cuda::CUDACachingAllocator::emptyCache();
    bool begun = false;
    try {
      // Other threads, which read tensors back or run steps of their own, may do meanwhile what a capture may not.
      graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
      begun = true;
      outputs_ = work();
      begun = false;
      graph_.capture_end();
    } catch (...) {
      try {
        if (begun) graph_.capture_end();  // leaves the stream as it was; the graph is broken and says so again
      } catch (const std::exception&) {
      }
      outputs_.clear();
      throw;
    }
  }

  const Tensors& replay() override {
    graph_.replay();
    return outputs_;
  }

 private:
  /// Beyond the class's size as this toolkit's headers give it: libtorch's own build may have members for CUDA 12.4 that an
  /// older toolkit hides. Nothing of it is inline, so that its size is all that has to fit.
  static constexpr size_t kRoom = 1024;

  at::Device device_;
  alignas(at::cuda::CUDAGraph) unsigned char memory_[sizeof(at::cuda::CUDAGraph) + kRoom];
  at::cuda::CUDAGraph& graph_ = *new (memory_) at::cuda::CUDAGraph();
  Tensors outputs_;
};
#endif

/// Behaves as a graph does, on a CPU: nothing runs when it is captured, and every replay reads and writes the same memory.
class SimulatedGraph final : public StepGraph {
 public:
  void capture(const std::function<Tensors()>& work) override { work_ = work; }
  const Tensors& replay() override {
    const Tensors results = work_();
    if (outputs_.empty()) {
      for (const at::Tensor& result : results) outputs_.push_back(result.clone());
    } else {
      for (size_t i = 0; i < results.size(); i++) outputs_[i].copy_(results[i]);
    }
    return outputs_;
  }

 private:
  std::function<Tensors()> work_;
  Tensors outputs_;
};

/// For each input whether the step changes it.
std::vector<bool> maskOf(const Tensors& inputs, const std::vector<uint32_t>& written) {
  std::vector<bool> mask(inputs.size());
  for (const uint32_t i : written) mask[i] = true;
  return mask;
}

/// Whether an input lies in the memory of another one that the step changes: a copy of it would not change with it.
bool overlaps(const Tensors& inputs, const std::vector<uint32_t>& written, const std::vector<bool>& isWritten) {
  for (size_t i = 0; i < inputs.size(); i++)
    if (!isWritten[i])
      for (const uint32_t other : written)
        if (inputs[i].is_alias_of(inputs[other])) return true;
  return false;
}

}  // namespace

std::string GraphReplay::mode() const { return refused_ ? "calls" : graph_ ? "graph" : "warming up"; }

bool GraphReplay::fits(const Tensors& inputs, const std::vector<uint32_t>& written) const {
  for (const uint32_t i : written)  // all others are copied to where they are, whatever their layout
    if (inputs[i].strides() != statics_[i].strides() || inputs[i].data_ptr() != statics_[i].data_ptr()) return false;
  return true;
}

void GraphReplay::capture(const Tensors& inputs, const std::vector<uint32_t>& written, const Calls& calls) {
  graph_.reset();  // its memory first
  statics_.clear();
  const std::vector<bool> isWritten = maskOf(inputs, written);
  for (size_t i = 0; i < inputs.size(); i++)
    // from_blob: it does not count as another user of memory that has to have one alone
    statics_.push_back(isWritten[i] ? at::from_blob(inputs[i].data_ptr(), inputs[i].sizes(), inputs[i].strides(),
                                                            inputs[i].options())
                                            : at::empty_like(inputs[i]));
  auto graph = make_();
  graph->capture([this, calls] { return calls(statics_); });
  graph_ = std::move(graph);
  captures_++;
}

Tensors GraphReplay::run(const Tensors& inputs, const std::vector<uint32_t>& written, const Calls& calls) {
  if (refused_) return calls(inputs);
  if (runs_ < kWarmUps) {
    runs_++;
    return calls(inputs);
  }
  const std::vector<bool> isWritten = maskOf(inputs, written);
  if (overlaps(inputs, written, isWritten)) return calls(inputs);
  if (!graph_ || !fits(inputs, written)) {
    try {
      TORCH_CHECK(captures_ < kMostCaptures, "its variables moved in memory ", captures_, " times");
      capture(inputs, written, calls);
    } catch (const std::exception& error) {
      refused_ = true;
      const auto* torchError = dynamic_cast<const c10::Error*>(&error);
      reason_ = torchError ? torchError->what_without_backtrace() : error.what();
      graph_.reset();
      statics_.clear();
      return calls(inputs);  // nothing has run yet
    }
  }
  for (size_t i = 0; i < inputs.size(); i++)
    if (!isWritten[i]) statics_[i].copy_(inputs[i], /*non_blocking=*/true);
  Tensors outputs;
  for (const at::Tensor& output : graph_->replay()) outputs.push_back(output.clone());
  return outputs;
}

std::unique_ptr<GraphReplay> graphFor(at::Device device) {
  if (device.is_cpu()) {
    const char* word = std::getenv("PADEZOO_GRAPHS");
    if (!word || std::string(word) != "simulated") return nullptr;
    return std::make_unique<GraphReplay>([] { return std::make_unique<SimulatedGraph>(); });
  }
#ifdef PADEZOO_CUDA_GRAPHS
  return std::make_unique<GraphReplay>([device] { return std::make_unique<CudaGraph>(device); });
#else
  return nullptr;
#endif
}

}  // namespace padezoo
