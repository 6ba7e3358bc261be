// Capturing and replaying; see graph_replay.h.
#include "graph_replay.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstdlib>

#if __has_include(<ATen/accelerator/Graph.h>)
#include <ATen/accelerator/Graph.h>
#define PADEZOO_DEVICE_GRAPHS
#endif

namespace padezoo {
namespace {

/// Runs call by call before the first capture: libraries choose their algorithms and get their memory meanwhile.
constexpr int kWarmUps = 3;
/// A step whose variables move this often is not captured again: a capture takes longer than many steps.
constexpr int kMostCaptures = 8;

#ifdef PADEZOO_DEVICE_GRAPHS
/// libtorch's graph of the device; work is captured on a stream of its own, as CUDA wants it, and replayed on the current one.
class DeviceGraph final : public StepGraph {
 public:
  explicit DeviceGraph(at::Device device) : device_(device), guard_(device.type()) {}

  void capture(const std::function<Tensors()>& work) override {
    const c10::Device before = guard_.exchangeDevice(device_);
    guard_.synchronizeDevice(device_.index());
    const c10::Stream usual = guard_.exchangeStream(guard_.getStreamFromGlobalPool(device_));
    const auto back = [&] {
      guard_.exchangeStream(usual);
      guard_.setDevice(before);
    };
    bool begun = false;
    try {
      graph_.capture_begin();
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
      back();
      throw;
    }
    back();
  }

  const Tensors& replay() override {
    graph_.replay();
    return outputs_;
  }

 private:
  at::Device device_;
  c10::impl::VirtualGuardImpl guard_;
  at::accelerator::Graph graph_;
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

bool contains(const std::vector<uint32_t>& list, size_t i) {
  return std::find(list.begin(), list.end(), static_cast<uint32_t>(i)) != list.end();
}

}  // namespace

std::string GraphReplay::mode() const { return refused_ ? "calls" : graph_ ? "graph" : "warming up"; }

bool GraphReplay::fits(const Tensors& inputs, const std::vector<uint32_t>& written) const {
  for (size_t i = 0; i < inputs.size(); i++) {
    if (inputs[i].strides() != statics_[i].strides()) return false;
    if (contains(written, i) && inputs[i].data_ptr() != statics_[i].data_ptr()) return false;
  }
  return true;
}

void GraphReplay::capture(const Tensors& inputs, const std::vector<uint32_t>& written, const Calls& calls) {
  graph_.reset();  // its memory first
  statics_.clear();
  for (size_t i = 0; i < inputs.size(); i++)
    // from_blob: it does not count as another user of memory that has to have one alone
    statics_.push_back(contains(written, i) ? at::from_blob(inputs[i].data_ptr(), inputs[i].sizes(), inputs[i].strides(),
                                                            inputs[i].options())
                                            : at::empty_like(inputs[i]));
  auto graph = make_();
  graph->capture([this, calls] { return calls(statics_); });
  graph_ = std::move(graph);
  captures_++;
}

Tensors GraphReplay::run(const Tensors& inputs, const std::vector<uint32_t>& written, const Calls& calls) {
  if (refused_ || runs_++ < kWarmUps) return calls(inputs);
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
    if (!contains(written, i)) statics_[i].copy_(inputs[i], /*non_blocking=*/true);
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
#ifdef PADEZOO_DEVICE_GRAPHS
  return std::make_unique<GraphReplay>([device] { return std::make_unique<DeviceGraph>(device); });
#else
  return nullptr;
#endif
}

}  // namespace padezoo
