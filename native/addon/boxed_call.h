// Calls any registered operator by its schema, with arguments converted from JavaScript by the schema's types.
#pragma once
#include <ATen/core/dispatch/Dispatcher.h>
#include <napi.h>

#include "tensor_table.h"

namespace padezoo {

/// Pushes `arguments` (missing ones take the schema's defaults) and calls; the stack then holds the results.
/// @throws std::invalid_argument or c10::Error with the operator and its tensors' shapes in the message
torch::jit::Stack callBoxed(const c10::OperatorHandle& op, const Napi::Array& arguments, const TensorTable& tensors);

}  // namespace padezoo
