// A recorded sequence of operator calls, replayed without any JavaScript between them.
#pragma once
#include <ATen/core/dispatch/Dispatcher.h>
#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph_replay.h"
#include "memory_plan.h"
#include "tensor_table.h"

namespace padezoo {

/// Tensors live in numbered slots: inputs first, then constants, then results. src/engines/torch/recording.ts makes it.
class Program {
 public:
  /// @param plan see `ProgramPlan` in src/engines/torch/addon.ts; constants are handles of `tensors`
  Program(const Napi::Object& plan, const std::vector<c10::OperatorHandle>& operators, const TensorTable& tensors);

  /// Runs every call in order; a slot is emptied after its last use. On a GPU the calls become a graph, which is replayed.
  /// @throws std::invalid_argument when inputs do not look like the recorded ones, or one that is changed is shared
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);

  /// How the last run went: `'calls'`, or as a graph does it; and why it is not one, if it should be.
  std::string mode() const { return graph_ ? graph_->mode() : "calls"; }
  std::string reason() const { return graph_ ? graph_->reason() : ""; }
  /// On a CPU: the memory that its runs lay their large blocks out in.
  const MemoryPlan& memory() const { return memory_; }

 private:
  /// Where a tensor argument comes from; `element` counts within a list argument.
  struct Operand {
    uint32_t argument, element, slot;
  };
  struct Step {
    c10::OperatorHandle op;
    torch::jit::Stack arguments;  // tensors are filled in from slots
    std::vector<Operand> operands;
    std::vector<uint32_t> results, released;
  };
  struct InputShape {
    std::vector<int64_t> sizes;
    at::ScalarType type;
  };

  void prepare(const Napi::Object& call, const std::vector<c10::OperatorHandle>& operators);
  void noteWritten(const Step& step);
  /// The recorded arguments with the tensors that this run has in their place.
  static torch::jit::Stack argumentsOf(const Step& step, const std::vector<at::Tensor>& slots);
  void execute(const Step& step, std::vector<at::Tensor>& slots) const;

  std::vector<at::Tensor> runCalls(const std::vector<at::Tensor>& inputs);

  at::Device device_;
  std::unique_ptr<GraphReplay> graph_;  // none on a CPU
  MemoryPlan memory_;
  std::vector<InputShape> inputs_;
  std::vector<at::Tensor> constants_;
  std::vector<Step> steps_;
  std::vector<uint32_t> outputs_;
  std::vector<uint32_t> written_;  // inputs that some call changes in place
  size_t slotCount_ = 0;
};

}  // namespace padezoo
