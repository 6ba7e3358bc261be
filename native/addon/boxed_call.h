// Calls any registered operator by its schema, with arguments converted from JavaScript by the schema's types.
#pragma once
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/FunctionRef.h>
#include <napi.h>

#include <functional>

#include "tensor_table.h"

namespace padezoo {

/// Pushes `arguments` to `stack`, converted by the schema; missing ones take its defaults.
/// @param pushed called after each argument with its index
/// @throws std::invalid_argument that names the argument; `stack` then holds those before it
void convertArguments(const c10::FunctionSchema& schema, const Napi::Array& arguments, const TensorSource& tensors,
                      torch::jit::Stack& stack, const std::function<void(uint32_t)>& pushed = nullptr);

/// Calls the operator; `stack` then holds the results.
/// @param again the arguments once more, for a message: the call consumes its stack, and a copy for every call costs time
/// @throws std::invalid_argument with the operator and its tensors' dtypes and shapes in the message
void callOrDescribe(const c10::OperatorHandle& op, torch::jit::Stack& stack, c10::function_ref<torch::jit::Stack()> again);

/// Both: converts and calls.
torch::jit::Stack callBoxed(const c10::OperatorHandle& op, const Napi::Array& arguments, const TensorTable& tensors);

}  // namespace padezoo
