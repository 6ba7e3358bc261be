// Replaying recorded operator calls: arguments were converted once, only tensors are filled in.
#include "program.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <optional>

#include "boxed_call.h"
#include "dtypes.h"

namespace padezoo {
namespace {

/// A slot number at every place where the schema wants a tensor; the tensors come when the program runs.
class SlotNumbers final : public TensorSource {
 public:
  explicit SlotNumbers(at::Device device) : device_(device) {}
  at::Device device() const override { return device_; }
  at::Tensor get(double slot) const override {
    seen.push_back(static_cast<uint32_t>(slot));
    return {};
  }
  mutable std::vector<uint32_t> seen;

 private:
  at::Device device_;
};

std::vector<uint32_t> slotsIn(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<uint32_t> slots(array.Length());
  for (uint32_t i = 0; i < slots.size(); i++) slots[i] = array.Get(i).As<Napi::Number>().Uint32Value();
  return slots;
}

}  // namespace

Program::Program(const Napi::Object& plan, const std::vector<c10::OperatorHandle>& operators, const TensorTable& tensors)
    : device_(tensors.device()), graph_(graphFor(device_)) {
  const auto described = plan.Get("inputs").As<Napi::Array>();
  for (uint32_t i = 0; i < described.Length(); i++) {
    const auto numbers = described.Get(i).As<Napi::Array>();
    InputShape input{{}, dtypeOf(numbers.Get(0u).As<Napi::Number>().Int32Value())};
    for (uint32_t axis = 1; axis < numbers.Length(); axis++)
      input.sizes.push_back(numbers.Get(axis).As<Napi::Number>().Int64Value());
    inputs_.push_back(std::move(input));
  }
  const auto constants = plan.Get("constants").As<Napi::Array>();
  for (uint32_t i = 0; i < constants.Length(); i++)
    constants_.push_back(tensors.get(constants.Get(i).As<Napi::Number>().DoubleValue()));
  const auto calls = plan.Get("calls").As<Napi::Array>();
  for (uint32_t i = 0; i < calls.Length(); i++) prepare(calls.Get(i).As<Napi::Object>(), operators);
  outputs_ = slotsIn(plan.Get("outputs"));
  slotCount_ = plan.Get("slots").As<Napi::Number>().Uint32Value();
}

void Program::prepare(const Napi::Object& call, const std::vector<c10::OperatorHandle>& operators) {
  Step step{operators.at(call.Get("operator").As<Napi::Number>().Uint32Value()), {}, {}, {}, {}};
  SlotNumbers numbers(device_);
  size_t taken = 0;
  const auto take = [&](uint32_t argument, uint32_t element) {
    step.operands.push_back({argument, element, numbers.seen.at(taken++)});
  };
  convertArguments(step.op.schema(), call.Get("args").As<Napi::Array>(), numbers, step.arguments, [&](uint32_t argument) {
    if (taken == numbers.seen.size()) return;
    const auto& value = step.arguments[argument];
    if (value.isTensorList()) {
      for (uint32_t element = 0; element < value.toTensorList().size(); element++) take(argument, element);
    } else if (value.isList()) {  // optional tensors: those that are missing have no slot
      const auto list = value.toList();
      for (uint32_t element = 0; element < list.size(); element++)
        if (!list.get(element).isNone()) take(argument, element);
    } else {
      take(argument, 0);
    }
  });
  step.results = slotsIn(call.Get("results"));
  step.released = slotsIn(call.Get("released"));
  noteWritten(step);
  steps_.push_back(std::move(step));
}

void Program::noteWritten(const Step& step) {
  for (const Operand& operand : step.operands) {
    const auto* alias = step.op.schema().arguments()[operand.argument].alias_info();
    if (alias && alias->isWrite() && operand.slot < inputs_.size()) written_.push_back(operand.slot);
  }
}

torch::jit::Stack Program::argumentsOf(const Step& step, const std::vector<at::Tensor>& slots) {
  torch::jit::Stack stack = step.arguments;
  for (size_t i = 0; i < step.operands.size(); i++) {
    const Operand& operand = step.operands[i];
    c10::IValue& value = stack[operand.argument];
    if (!value.isList()) {
      value = slots[operand.slot];
      continue;
    }
    // A list is shared by the copies of its IValue: this run gets one of its own.
    if (i == 0 || step.operands[i - 1].argument != operand.argument) value = value.toList().copy();
    if (value.isTensorList()) value.toTensorList().set(operand.element, slots[operand.slot]);
    else value.toList().set(operand.element, slots[operand.slot]);
  }
  return stack;
}

void Program::execute(const Step& step, std::vector<at::Tensor>& slots) const {
  torch::jit::Stack stack = argumentsOf(step, slots);
  callOrDescribe(step.op, stack, [&] { return argumentsOf(step, slots); });
  size_t next = 0;
  const auto keep = [&](const at::Tensor& tensor) {
    if (tensor.defined()) slots[step.results.at(next++)] = tensor;  // what was not asked for has no slot
  };
  for (const auto& value : stack) {
    if (value.isTensor()) keep(value.toTensor());
    else if (value.isTensorList())
      for (const auto& tensor : value.toTensorVector()) keep(tensor);
  }
  for (const uint32_t slot : step.released) slots[slot].reset();
}

std::vector<at::Tensor> Program::run(const std::vector<at::Tensor>& inputs) {
  TORCH_CHECK(inputs.size() == inputs_.size(), "the program takes ", inputs_.size(), " inputs, got ", inputs.size());
  for (size_t i = 0; i < inputs.size(); i++)
    TORCH_CHECK(inputs[i].sizes() == inputs_[i].sizes && inputs[i].scalar_type() == inputs_[i].type, "input ", i,
                " was recorded as ", inputs_[i].type, " ", inputs_[i].sizes, ", got ", inputs[i].scalar_type(), " ",
                inputs[i].sizes());
  for (const uint32_t slot : written_)
    TORCH_CHECK(isExclusive(inputs[slot]), "input ", slot, " is changed in place, but its memory is shared");
  at::AutoDispatchBelowADInplaceOrView withoutAutograd;
  const auto body = [this](const std::vector<at::Tensor>& given) { return runCalls(given); };
  return graph_ ? graph_->run(inputs, written_, body) : body(inputs);
}

std::vector<at::Tensor> Program::runCalls(const std::vector<at::Tensor>& inputs) {
  std::optional<MemoryPlan::Run> inPlannedMemory;
  if (!graph_) inPlannedMemory.emplace(memory_);
  std::vector<at::Tensor> slots(slotCount_);
  std::copy(inputs.begin(), inputs.end(), slots.begin());
  std::copy(constants_.begin(), constants_.end(), slots.begin() + static_cast<int64_t>(inputs.size()));
  for (const Step& step : steps_) execute(step, slots);
  std::vector<at::Tensor> outputs;
  outputs.reserve(outputs_.size());
  for (const uint32_t slot : outputs_) outputs.push_back(slots[slot]);
  slots.clear();
  if (inPlannedMemory) inPlannedMemory->finish();
  return outputs;
}

}  // namespace padezoo
