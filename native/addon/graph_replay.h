// A recorded step as a device graph: when to capture it, what to copy into it and out of it, and when to give it up.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace padezoo {

using Tensors = std::vector<at::Tensor>;
using Calls = std::function<Tensors(const Tensors&)>;

/// What captures work and repeats it on the same memory.
class StepGraph {
 public:
  virtual ~StepGraph() = default;
  /// Writes down what `work` queues, without running it. @throws what `work` throws, or what cannot be captured
  virtual void capture(const std::function<Tensors()>& work) = 0;
  /// Runs it; the outputs are in the same tensors every time.
  virtual const Tensors& replay() = 0;
};

/// Inputs that the step changes in place (variables, moments) are captured where they are, and captured anew when they have
/// moved; all others are copied to where the graph reads them. Outputs are copied, for the next replay overwrites them. A run
/// with an input that is a variable the step changes goes call by call.
class GraphReplay {
 public:
  using Make = std::function<std::unique_ptr<StepGraph>()>;
  explicit GraphReplay(Make make) : make_(std::move(make)) {}

  /// @param written indices of the inputs that `calls` changes in place
  Tensors run(const Tensors& inputs, const std::vector<uint32_t>& written, const Calls& calls);

  /// `'warming up'`, `'graph'` or `'calls'`.
  std::string mode() const;
  /// Why it runs call by call for good.
  const std::string& reason() const { return reason_; }

 private:
  void capture(const Tensors& inputs, const std::vector<uint32_t>& written, const Calls& calls);
  bool fits(const Tensors& inputs, const std::vector<uint32_t>& written) const;

  Make make_;
  std::unique_ptr<StepGraph> graph_;
  Tensors statics_;  // the captured inputs
  int runs_ = 0, captures_ = 0;
  bool refused_ = false;
  std::string reason_;
};

/// One for a GPU, where the addon is built with a CUDA toolkit; for a CPU none, but with PADEZOO_GRAPHS=simulated one that repeats the calls themselves, for tests.
std::unique_ptr<GraphReplay> graphFor(at::Device device);

}  // namespace padezoo
